/** The Ruby client's way of speaking: plain HTTP/1.1 requests, envelopes by hand. */
import assert from 'node:assert/strict';

const ENVELOPE_HEADER_BYTES = 5;
const END_OF_STREAM = 0x02;

/** What POST /sandboxes answers. */
export interface Sandbox {
  readonly sandboxID: string;
  readonly clientID: string;
  readonly envdAccessToken?: string;
  readonly domain?: string | null;
}

/** An answer that has been read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  json<T>(): T;
}

interface Command {
  readonly cmd: string;
  readonly args?: readonly string[];
  readonly envs?: Readonly<Record<string, string>>;
}

/** What a command printed, and its end event. */
export interface Ended {
  readonly stdout: string;
  readonly end: { exitCode?: number; error?: string } | undefined;
}

const apiUrl = process.env.E2B_API_URL ?? `https://api.${process.env.E2B_DOMAIN}`;

async function request(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: <T>() => JSON.parse(text) as T };
}

/** One call of the control API; without a body there is no body and no content type. */
export function api(method: string, path: string, body?: object): Promise<Answer> {
  const headers: Record<string, string> = { 'X-API-Key': process.env.E2B_API_KEY ?? '' };
  if (body === undefined) return request(apiUrl + path, { method, headers });
  headers['Content-Type'] = 'application/json';
  return request(apiUrl + path, { method, headers, body: JSON.stringify(body) });
}

/** Where envd is reached: by host name, or by the sandbox URL with routing headers. */
function envd(sandbox: Sandbox, path: string): { url: string; headers: Record<string, string> } {
  const headers: Record<string, string> = {
    'X-API-Key': process.env.E2B_API_KEY ?? '',
    'X-Access-Token': sandbox.envdAccessToken ?? '',
    Authorization: `Basic ${Buffer.from('user:').toString('base64')}`,
  };
  const sandboxUrl = process.env.E2B_SANDBOX_URL;
  if (sandboxUrl !== undefined) {
    const routing = { 'E2b-Sandbox-Id': sandbox.sandboxID, 'E2b-Sandbox-Port': '49983' };
    return { url: sandboxUrl + path, headers: { ...headers, ...routing } };
  }
  const domain = sandbox.domain ?? process.env.E2B_DOMAIN;
  return { url: `https://49983-${sandbox.sandboxID}.${domain}${path}`, headers };
}

function envelope(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const frame = Buffer.alloc(ENVELOPE_HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 1);
  body.copy(frame, ENVELOPE_HEADER_BYTES);
  return frame;
}

const CONNECT_HEADERS = { 'Connect-Protocol-Version': '1' };

/** A unary call: enveloped first, as plain JSON once the server has refused that with 415. */
export async function unary<T>(sandbox: Sandbox, method: string, message: object): Promise<T> {
  const { url, headers } = envd(sandbox, `/${method}`);
  const first = await request(url, {
    method: 'POST',
    headers: { ...headers, ...CONNECT_HEADERS, 'Content-Type': 'application/connect+json' },
    body: new Uint8Array(envelope(message)),
  });
  assert.equal(first.status, 415, `an enveloped unary call is refused: ${first.text}`);
  const second = await request(url, {
    method: 'POST',
    headers: { ...headers, ...CONNECT_HEADERS, 'Content-Type': 'application/json' },
    body: JSON.stringify(message),
  });
  assert.equal(second.status, 200, second.text);
  return second.json<T>();
}

interface Frame {
  readonly event?: {
    readonly start?: { pid: number };
    readonly data?: { stdout?: string; pty?: string };
    readonly end?: { exitCode?: number; error?: string };
  };
  readonly error?: { code: string; message: string };
}

/** Starts a command and follows it to its end. */
export async function stream(
  sandbox: Sandbox,
  command: Command,
  started?: (pid: number) => Promise<void>,
  extra: object = {},
): Promise<Ended> {
  const { url, headers } = envd(sandbox, '/process.Process/Start');
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, ...CONNECT_HEADERS, 'Content-Type': 'application/connect+json' },
    body: new Uint8Array(envelope({ process: command, ...extra })),
  });
  assert.equal(response.status, 200);
  assert.ok(response.body !== null);
  let rest = Buffer.alloc(0);
  let stdout = '';
  let end: Ended['end'];
  for await (const chunk of response.body) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < ENVELOPE_HEADER_BYTES) break;
      const size = ENVELOPE_HEADER_BYTES + rest.readUInt32BE(1);
      if (rest.length < size) break;
      const last = (rest.readUInt8(0) & END_OF_STREAM) !== 0;
      const frame = JSON.parse(rest.subarray(ENVELOPE_HEADER_BYTES, size).toString()) as Frame;
      rest = rest.subarray(size);
      if (last && frame.error !== undefined) throw new Error(`${frame.error.code}: ${frame.error.message}`);
      if (frame.event?.start !== undefined) await started?.(frame.event.start.pid);
      const output = frame.event?.data?.stdout ?? frame.event?.data?.pty;
      if (output !== undefined) stdout += Buffer.from(output, 'base64').toString();
      end = frame.event?.end ?? end;
    }
  }
  return { stdout, end };
}

/** Uploads are multipart with a constant file name; the destination is in the query. */
export const files = {
  upload(sandbox: Sandbox, path: string, content: string): Promise<Answer> {
    const { url, headers } = envd(sandbox, `/files?path=${encodeURIComponent(path)}&username=user`);
    const body = new FormData();
    body.append('file', new Blob([content]), 'upload');
    return request(url, { method: 'POST', headers, body });
  },
  download(sandbox: Sandbox, path: string): Promise<Answer> {
    const { url, headers } = envd(sandbox, `/files?path=${encodeURIComponent(path)}&username=user`);
    return request(url, { headers });
  },
};
