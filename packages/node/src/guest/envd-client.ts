import { request } from 'node:http';
import { connect } from 'node:net';
import { AtollError, ENVD_PORT } from '@atoll/contract';

/**
 * How long a TCP connection to a guest may take, in milliseconds. A SYN that arrives while the guest's stack takes its
 * interface over is lost, and TCP would repeat it only after a second.
 */
const CONNECT_DEADLINE_MS = 40;

/** Pause between two attempts to reach a guest that is starting, in milliseconds: it refuses connections until envd listens. */
const RETRY_PAUSE_MS = 5;

/** How long envd may take to answer a request it has accepted, in milliseconds. */
const ANSWER_DEADLINE_MS = 5_000;

/** Largest answer read from a guest, in bytes: what a guest sends is not to be trusted. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** What envd is told when a sandbox gets its identity. */
export interface EnvdInit {
  readonly envVars: Readonly<Record<string, string>>;
  readonly accessToken?: string;
  readonly defaultUser: string;
  readonly defaultWorkdir: string;
  readonly sandboxId: string;
  readonly templateId: string;
  readonly hostname: string;
  readonly lifecycleID: string;
  /** Seeds the guest's random state, which is the same in every clone of one memory image. */
  readonly randomSeed: string;
}

interface EnvdRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface EnvdAnswer {
  readonly status: number;
  readonly body: string;
}

/** A connection was refused, lost or too slow: worth another attempt while a guest starts. */
class UnreachableError extends Error {}

/** Waits until envd answers its health check. Throws when the signal aborts before. */
export async function waitUntilHealthy(address: string, signal: AbortSignal): Promise<void> {
  // Knocking costs less than half of what a request costs, and a guest that boots is knocked at a dozen times.
  while (!(await accepts(address))) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
  }
  const answer = await askWhileStarting(address, { method: 'GET', path: '/health' }, signal);
  if (answer.status !== 204) throw unexpected('GET /health', answer);
}

/** Whether something accepts connections at envd's port. */
function accepts(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: ENVD_PORT });
    const finish = (accepted: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(accepted);
    };
    const timer = setTimeout(() => finish(false), CONNECT_DEADLINE_MS);
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/** Tells envd who it is now. Tries again while the guest is not reachable yet; envd refuses nothing twice. */
export async function initEnvd(address: string, init: EnvdInit, signal: AbortSignal): Promise<void> {
  await postInit(address, { ...init, timestamp: new Date().toISOString() }, signal);
}

/**
 * Lets envd do once what it will do first for its owner: take an identity and run a shell. What it loads and compiles
 * for that stays in memory, also in a memory image, and makes the first real command some 20 ms faster. Without a
 * timestamp, so that it never counts as newer than the owner's own init, whatever the clock does in between.
 */
export async function warmUpEnvd(
  address: string,
  init: Pick<EnvdInit, 'defaultUser' | 'defaultWorkdir' | 'sandboxId' | 'hostname' | 'randomSeed'>,
  signal: AbortSignal,
): Promise<void> {
  await postInit(address, init, signal);
  const command = Buffer.from(JSON.stringify({ process: { cmd: '/bin/bash', args: ['-l', '-c', 'true'] } }));
  // Connect's envelope: no flags, length.
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(command.length, 1);
  const headers = {
    'content-type': 'application/connect+json',
    'connect-protocol-version': '1',
    authorization: `Basic ${Buffer.from(`${init.defaultUser}:`).toString('base64')}`,
  };
  // Whatever it answers: an image without bash is no worse for it.
  const body = Buffer.concat([envelope, command]);
  await ask(address, { method: 'POST', path: '/process.Process/Start', headers, body }, signal);
}

async function postInit(
  address: string,
  init: Partial<EnvdInit> & { timestamp?: string },
  signal: AbortSignal,
): Promise<void> {
  const headers = { 'content-type': 'application/json', ...tokenHeader(init.accessToken) };
  const body = Buffer.from(JSON.stringify(init));
  const answer = await askWhileStarting(address, { method: 'POST', path: '/init', headers, body }, signal);
  if (answer.status !== 204) throw unexpected('POST /init', answer);
}

function tokenHeader(accessToken: string | undefined): Record<string, string> {
  return accessToken === undefined ? {} : { 'x-access-token': accessToken };
}

/** Asks envd once, on a connection of its own that is closed afterwards: an open one would be in the way of a checkpoint. */
export async function getFromEnvd(
  address: string,
  path: string,
  accessToken: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const answer = await ask(address, { method: 'GET', path, headers: tokenHeader(accessToken) }, signal);
  if (answer.status !== 200) throw unexpected(`GET ${path}`, answer);
  return answer.body;
}

async function askWhileStarting(address: string, question: EnvdRequest, signal: AbortSignal): Promise<EnvdAnswer> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await ask(address, question, signal);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }
}

function ask(address: string, question: EnvdRequest, signal: AbortSignal): Promise<EnvdAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: address,
      port: ENVD_PORT,
      method: question.method,
      path: question.path,
      agent: false,
      signal,
      headers: {
        connection: 'close',
        ...question.headers,
        ...(question.body === undefined ? {} : { 'content-length': String(question.body.length) }),
      },
    });
    const connectTimer = setTimeout(() => outgoing.destroy(new Error('no connection in time')), CONNECT_DEADLINE_MS);
    let answerTimer: NodeJS.Timeout | undefined;
    const fail = (error: Error) => {
      clearTimeout(connectTimer);
      clearTimeout(answerTimer);
      if (signal.aborted) reject(signal.reason);
      else reject(error instanceof AtollError ? error : new UnreachableError(error.message, { cause: error }));
    };
    outgoing.on('socket', (socket) => {
      socket.setNoDelay(true);
      socket.once('connect', () => {
        clearTimeout(connectTimer);
        answerTimer = setTimeout(() => outgoing.destroy(tooSlow(question.path)), ANSWER_DEADLINE_MS);
      });
    });
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) outgoing.destroy(tooLarge(question.path));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(answerTimer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.end(question.body);
  });
}

function unexpected(what: string, answer: EnvdAnswer): AtollError {
  const excerpt = answer.body.slice(0, 200);
  return new AtollError('sandbox_create_failed', `envd answered ${what} with status ${answer.status}: ${excerpt}`);
}

function tooSlow(path: string): AtollError {
  return new AtollError('sandbox_create_failed', `envd did not answer ${path} within ${ANSWER_DEADLINE_MS} ms.`);
}

function tooLarge(path: string): AtollError {
  return new AtollError('internal_server_error', `envd's answer to ${path} is larger than ${MAX_ANSWER_BYTES} bytes.`);
}
