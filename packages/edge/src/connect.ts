import { connect, type Socket } from 'node:net';

/** Pauses between attempts to a port that refuses: a server that is just starting gets about a second (note sandbox-proxy, 3). */
const PAUSES_MS = [100, 200, 300, 400];
/**
 * Deadlines of the attempts. Short at first: a lost SYN is repeated by the kernel after a whole second only, a new
 * attempt sends one at once. Longer later, for a guest that is merely slow.
 */
const DEADLINES_MS = [250, 500, 1_000, 2_000, 2_000];
/** Probes on idle connections find a peer that vanished without a word. */
const KEEP_ALIVE_PROBE_MS = 60_000;
const REFUSALS = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ECONNRESET']);

/** Why no connection came about. `closed`: the port refuses; `silent`: nothing came back in time. */
export class ConnectFailure extends Error {
  readonly reason: 'closed' | 'silent' | 'cancelled';

  constructor(reason: 'closed' | 'silent' | 'cancelled', options: ErrorOptions = {}) {
    super(`connect failed: ${reason}`, options);
    this.name = 'ConnectFailure';
    this.reason = reason;
  }
}

export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
}

/** Opens a TCP connection, trying again while the port refuses or stays silent. */
export async function connectPatiently(target: ConnectTarget, signal: AbortSignal): Promise<Socket> {
  let last: unknown;
  for (const [attempt, deadline] of DEADLINES_MS.entries()) {
    try {
      return await connectOnce(target, deadline, signal);
    } catch (error) {
      if (signal.aborted) throw new ConnectFailure('cancelled');
      last = error;
      const pause = PAUSES_MS[attempt];
      if (pause !== undefined && isRefused(error)) await sleep(pause, signal);
    }
  }
  throw new ConnectFailure(isRefused(last) ? 'closed' : 'silent', { cause: last });
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSALS.has(String(error.code));
}

function connectOnce(target: ConnectTarget, deadlineMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.address,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    });
    const settle = (): void => {
      clearTimeout(deadline);
      signal.removeEventListener('abort', cancel);
      socket.off('error', fail);
      socket.off('connect', done);
    };
    const fail = (error: Error): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const done = (): void => {
      settle();
      resolve(socket);
    };
    const cancel = (): void => fail(new ConnectFailure('cancelled'));
    const deadline = setTimeout(() => fail(new ConnectFailure('silent')), deadlineMs);
    signal.addEventListener('abort', cancel, { once: true });
    socket.once('error', fail);
    socket.once('connect', done);
  });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => {
      clearTimeout(timer);
      reject(new ConnectFailure('cancelled'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', cancel);
      resolve();
    }, ms);
    signal.addEventListener('abort', cancel, { once: true });
  });
}
