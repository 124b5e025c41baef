import { filesystemMethods } from './filesystem/service.ts';
import type { LogRing } from './logs.ts';
import { LoopbackRelay } from './ports/loopback-relay.ts';
import type { ProcessTable } from './process/process-table.ts';
import { processMethods } from './process/service.ts';
import { serveCall } from './rpc/serve.ts';
import type { Settings } from './settings.ts';

/** Answers a call; undefined when there is no method of that path. */
export type CallHandler = (path: string, request: Request) => Promise<Response> | undefined;

/** What the services work on. */
export interface Parts {
  /** envd's own. */
  readonly port: number;
  readonly settings: Settings;
  readonly processes: ProcessTable;
  readonly logs: LogRing;
}

/**
 * The services that are called with protobuf messages. Imported by the first call only, because what this module imports
 * would be most of envd's start.
 */
export function openServices({ port, settings, processes, logs }: Parts): CallHandler {
  // Whatever listens in the sandbox was started by a call.
  new LoopbackRelay(port, () => settings.lastRequestAt, logs);
  const methods = new Map([...processMethods(processes, settings, logs), ...filesystemMethods(settings)]);
  return (path, request) => {
    const method = methods.get(path);
    return method === undefined ? undefined : serveCall(method, request);
  };
}
