import { closeSync, constants, openSync } from 'node:fs';
import { connect } from 'node:net';
import { AtollError } from '@atoll/contract';

/** A live guest answers within a millisecond; one whose CPU quota is used up, within some periods. */
const CALL_DEADLINE_MS = 5_000;

interface Reply {
  readonly success: boolean;
  readonly err: string;
  readonly result: unknown;
}

/**
 * Calls the guest's kernel on the socket that runsc itself uses: one JSON object each way (gVisor's pkg/urpc). Forty
 * times faster than starting runsc to make the call. The methods belong to the pinned version.
 */
export function callGuestKernel(runscRoot: string, id: string, method: string, arg: unknown): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const fail = (why: string, cause?: unknown): void => {
    reject(new AtollError('internal_server_error', `${method} of guest ${id} failed: ${why}.`, { cause }));
    socket.destroy();
  };
  // Through the folder's descriptor: the path of a socket may have 107 bytes only.
  const folder = openSync(runscRoot, constants.O_RDONLY | constants.O_DIRECTORY);
  const socket = connect(`/proc/self/fd/${folder}/runsc-${id}.sock`);
  const timer = setTimeout(() => fail(`no answer in ${CALL_DEADLINE_MS / 1000} s`), CALL_DEADLINE_MS);
  let text = '';
  socket.setEncoding('utf8');
  socket.once('connect', () => socket.write(JSON.stringify({ method, arg })));
  socket.once('error', (error) => fail('no connection', error));
  socket.once('close', () => {
    clearTimeout(timer);
    closeSync(folder);
    fail('connection closed');
  });
  socket.on('data', (chunk: string) => {
    text += chunk;
    const reply = parseReply(text);
    // There is no framing: it is complete when it is JSON.
    if (reply === undefined) return;
    if (reply.success) resolve(reply.result);
    else fail(reply.err);
    socket.destroy();
  });
  return promise;
}

function parseReply(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply;
  } catch {
    return undefined;
  }
}

/**
 * Limits the processes and threads that exist inside the guest; one more fork fails with EAGAIN there. It is the limit
 * of the guest's own control group, which gVisor names by the guest's first id (`origin`). Needs version 2 of them and
 * no control group namespace: otherwise this version of gVisor cannot write there (version 1 refuses, and with a
 * namespace the write ends the guest). Root in the guest can lift it and then only harms itself.
 */
export async function limitGuestProcesses(
  runscRoot: string,
  id: string,
  options: { origin: string; maxProcesses: number },
): Promise<void> {
  const value = options.maxProcesses === 0 ? 'max' : String(options.maxProcesses);
  const file = { controller: 'pids', path: `/${options.origin}`, name: 'pids.max' };
  const result = await callGuestKernel(runscRoot, id, 'Cgroups.WriteControlFiles', { args: [{ file, value }] });
  const failed = (result as { results?: { value: string; is_error: boolean }[] }).results?.find((one) => one.is_error);
  if (failed !== undefined) {
    throw new AtollError('internal_server_error', `Guest ${id} refused its process limit: ${failed.value}.`);
  }
}
