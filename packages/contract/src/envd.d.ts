/** The envd protocol: messages and services of processes and files, as protobuf-es schemas. */
export * from './gen/filesystem_pb.js';
export * from './gen/process_pb.js';
