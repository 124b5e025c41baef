import { closeSync, constants, openSync } from 'node:fs';
import { connect } from 'node:net';
import { AtollError } from '@atoll/contract';
import type { GuestLimits } from '../runtime.ts';

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

/** Fewer would be too few for a shell with a compiler. */
const MIN_PROCESSES = 256;

/**
 * The process limit that a guest's memory can pay: gVisor needs half a MiB of it for each process, so with more than
 * one per MiB a fork bomb would run into the memory limit, which ends innocent processes.
 */
export function affordableProcesses(limits: GuestLimits): number {
  if (limits.memoryMiB === 0) return limits.maxProcesses;
  const affordable = Math.max(MIN_PROCESSES, limits.memoryMiB);
  return limits.maxProcesses === 0 ? affordable : Math.min(limits.maxProcesses, affordable);
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
  options: { origin: string; limits: GuestLimits },
): Promise<void> {
  const maxProcesses = affordableProcesses(options.limits);
  const value = maxProcesses === 0 ? 'max' : String(maxProcesses);
  const file = { controller: 'pids', path: `/${options.origin}`, name: 'pids.max' };
  const result = await callGuestKernel(runscRoot, id, 'Cgroups.WriteControlFiles', { args: [{ file, value }] });
  const failed = (result as { results?: { value: string; is_error: boolean }[] }).results?.find((one) => one.is_error);
  if (failed !== undefined) {
    throw new AtollError('internal_server_error', `Guest ${id} refused its process limit: ${failed.value}.`);
  }
}
