// The envd protocol. JavaScript with declarations beside it, like the generated files it names: declarations of a
// referenced project's TypeScript are read from its output folder, where the generated ones do not exist.
export * from './gen/filesystem_pb.js';
export * from './gen/process_pb.js';
