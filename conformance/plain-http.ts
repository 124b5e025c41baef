import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Atoll, OwnedAtoll } from './atoll.ts';

const REQUEST_DEADLINE_MS = 30_000;
const ENVELOPE_HEADER_BYTES = 5;

/** An answer that has been read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what came is looked at field by field by the assertions that follow
  readonly body: any;
}

/** A sandbox as the API hands it out. */
export interface Sandbox {
  readonly sandboxID: string;
  readonly envdAccessToken: string;
}

/** How a program in a sandbox ended. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly error: string | undefined;
}

async function send(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS), ...init });
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body };
}

/** The control API with plain HTTP; every header and body can be got wrong on purpose. */
export class PlainApi {
  readonly atoll: Atoll;

  constructor(atoll: Atoll) {
    this.atoll = atoll;
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const init: RequestInit = { method, headers: { 'X-API-Key': this.atoll.apiKey, ...headers } };
    if (body !== undefined) {
      init.body = typeof body === 'string' ? body : JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json', ...init.headers };
    }
    return send(this.atoll.apiUrl + path, init);
  }

  async create(body: object = {}): Promise<Sandbox> {
    const answer = await this.call('POST', '/v2/sandboxes', { templateID: 'base', timeout: 300, ...body });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  }

  async kill({ sandboxID }: Sandbox): Promise<void> {
    await this.call('DELETE', `/sandboxes/${sandboxID}`);
  }

  /** A request to a port of a sandbox in the two-URL form. */
  port(sandbox: Sandbox, path: string, init: RequestInit = {}, port = 49_983): Promise<Answer> {
    const headers = {
      'E2b-Sandbox-Id': sandbox.sandboxID,
      'E2b-Sandbox-Port': String(port),
      'X-Access-Token': sandbox.envdAccessToken,
      ...init.headers,
    };
    return send(this.atoll.sandboxUrl + path, { ...init, headers });
  }

  upload(sandbox: Sandbox, path: string, content: string | Uint8Array<ArrayBuffer>): Promise<Answer> {
    const headers = { 'Content-Type': 'application/octet-stream' };
    return this.port(sandbox, `/files?path=${encodeURIComponent(path)}`, { method: 'POST', headers, body: content });
  }

  /** A unary call of envd. */
  unary(sandbox: Sandbox, method: string, message: unknown): Promise<Answer> {
    const headers = { 'Content-Type': 'application/json', 'Connect-Protocol-Version': '1' };
    return this.port(sandbox, `/${method}`, { method: 'POST', headers, body: JSON.stringify(message) });
  }

  /** Runs a shell command to its end as `user`, or as another. */
  async run(sandbox: Sandbox, command: string, user = 'user'): Promise<Ended> {
    const message = Buffer.from(JSON.stringify({ process: { cmd: '/bin/bash', args: ['-l', '-c', command] } }));
    const envelope = Buffer.alloc(ENVELOPE_HEADER_BYTES);
    envelope.writeUInt32BE(message.length, 1);
    const response = await fetch(`${this.atoll.sandboxUrl}/process.Process/Start`, {
      method: 'POST',
      signal: AbortSignal.timeout(90_000),
      headers: {
        'E2b-Sandbox-Id': sandbox.sandboxID,
        'E2b-Sandbox-Port': '49983',
        'X-Access-Token': sandbox.envdAccessToken,
        Authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}`,
        'Content-Type': 'application/connect+json',
        'Connect-Protocol-Version': '1',
      },
      body: new Uint8Array(Buffer.concat([envelope, message])),
    });
    return decode(Buffer.from(await response.arrayBuffer()), response.status);
  }
}

function decode(bytes: Buffer, status: number): Ended {
  assert.equal(status, 200, bytes.toString());
  let stdout = '';
  let stderr = '';
  let end: { exitCode?: number; error?: string } | undefined;
  let failure: string | undefined;
  for (let rest = bytes; rest.length >= ENVELOPE_HEADER_BYTES; ) {
    const size = ENVELOPE_HEADER_BYTES + rest.readUInt32BE(1);
    const frame = JSON.parse(rest.toString('utf8', ENVELOPE_HEADER_BYTES, size));
    stdout += Buffer.from(frame.event?.data?.stdout ?? '', 'base64').toString();
    stderr += Buffer.from(frame.event?.data?.stderr ?? '', 'base64').toString();
    end = frame.event?.end ?? end;
    failure = frame.error === undefined ? failure : `${frame.error.code}: ${frame.error.message}`;
    rest = rest.subarray(size);
  }
  const exitCode = end === undefined ? undefined : (end.exitCode ?? 0);
  return { stdout, stderr, exitCode, error: failure ?? end?.error };
}

/** Sends bytes as they are and returns what comes back: for requests that no HTTP library would send. */
export function sendRaw(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port: Number(port) });
  let answer = '';
  socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', (error: NodeJS.ErrnoException) =>
    answer === '' || error.code === undefined ? reject(error) : resolve(answer),
  );
  socket.on('close', () => resolve(answer));
  socket.write(request, 'latin1');
  return promise;
}

/** A second team with a key of its own. There is no public route that makes teams, so the row is written as an operator would. */
export async function addTeam(atoll: OwnedAtoll): Promise<string> {
  const teamId = randomUUID();
  const database = new DatabaseSync(join(atoll.dataDir, 'atoll.db'), { timeout: 5_000 });
  try {
    database
      .prepare('INSERT INTO teams (team_id, name, slug, created_at, blocked_reason) VALUES (?, ?, ?, ?, NULL)')
      .run(teamId, 'Strangers', `strangers-${teamId.slice(0, 8)}`, Date.now());
  } finally {
    database.close();
  }
  const answer = await new PlainApi(atoll).call(
    'POST',
    `/admin/teams/${teamId}/api-keys`,
    { name: 'a stranger' },
    { 'X-Admin-Token': atoll.adminToken ?? '' },
  );
  assert.equal(answer.status, 201, answer.text);
  return answer.body.key;
}
