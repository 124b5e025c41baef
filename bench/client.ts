import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { Atoll } from '../conformance/atoll.ts';

const REQUEST_DEADLINE_MS = 60_000;
const ENVD_PORT = 49_983;
const ENVELOPE_HEADER_BYTES = 5;
const END_OF_STREAM = 0x02;

/** A sandbox as the benches use it. */
export interface Sandbox {
  readonly id: string;
  readonly token: string;
}

interface Call {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | string | Readable;
}

/** Speaks to an Atoll over kept-alive connections with as little of its own as possible. */
export class BenchClient {
  readonly #atoll: Pick<Atoll, 'apiUrl' | 'sandboxUrl' | 'apiKey'>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });

  constructor(atoll: Pick<Atoll, 'apiUrl' | 'sandboxUrl' | 'apiKey'>) {
    this.#atoll = atoll;
  }

  /** Creates a sandbox of `base`. */
  async create(): Promise<Sandbox> {
    const response = await this.#send(`${this.#atoll.apiUrl}/v2/sandboxes`, {
      method: 'POST',
      headers: { 'x-api-key': this.#atoll.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ templateID: 'base', timeout: 600 }),
    });
    const answer = await text(response);
    if (response.statusCode !== 201) throw new Error(`create: status ${response.statusCode}: ${answer}`);
    const { sandboxID, envdAccessToken }: { sandboxID: string; envdAccessToken: string } = JSON.parse(answer);
    return { id: sandboxID, token: envdAccessToken };
  }

  async kill(sandbox: Sandbox): Promise<void> {
    const response = await this.#send(`${this.#atoll.apiUrl}/sandboxes/${sandbox.id}`, {
      method: 'DELETE',
      headers: { 'x-api-key': this.#atoll.apiKey },
    });
    response.resume();
    if (response.statusCode !== 204) throw new Error(`kill: status ${response.statusCode}`);
  }

  /** Runs a command as the SDKs do and returns its output. */
  run(sandbox: Sandbox, command: string, base?: string): Promise<string> {
    return this.start(sandbox, { cmd: '/bin/bash', args: ['-l', '-c', command] }, base);
  }

  /** Starts a program, waits for its end, and returns its output; fails unless the exit code is 0. */
  async start(sandbox: Sandbox, program: { cmd: string; args?: string[] }, base?: string): Promise<string> {
    const message = Buffer.from(JSON.stringify({ process: program, stdin: false }));
    const envelope = Buffer.alloc(ENVELOPE_HEADER_BYTES);
    envelope.writeUInt32BE(message.length, 1);
    const response = await this.envd(sandbox, '/process.Process/Start', {
      method: 'POST',
      headers: { 'content-type': 'application/connect+json', 'connect-protocol-version': '1' },
      body: Buffer.concat([envelope, message]),
      ...(base === undefined ? {} : { base }),
    });
    let rest = await buffer(response);
    let stdout = '';
    let exited: { exitCode?: number } | undefined;
    while (rest.length >= ENVELOPE_HEADER_BYTES) {
      const size = ENVELOPE_HEADER_BYTES + rest.readUInt32BE(1);
      const frame = JSON.parse(rest.toString('utf8', ENVELOPE_HEADER_BYTES, size));
      if ((rest.readUInt8(0) & END_OF_STREAM) !== 0 && frame.error !== undefined)
        throw new Error(`${program.cmd}: ${frame.error.message}`);
      stdout += Buffer.from(frame.event?.data?.stdout ?? '', 'base64').toString();
      exited = frame.event?.end ?? exited;
      rest = rest.subarray(size);
    }
    if (exited === undefined || (exited.exitCode ?? 0) !== 0)
      throw new Error(`${program.cmd} ended with ${JSON.stringify(exited)}, status ${response.statusCode}`);
    return stdout;
  }

  async upload(sandbox: Sandbox, path: string, body: Buffer | Readable): Promise<void> {
    const response = await this.envd(sandbox, `/files?path=${encodeURIComponent(path)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body,
    });
    const answer = await text(response);
    if (response.statusCode !== 200) throw new Error(`upload: status ${response.statusCode}: ${answer}`);
  }

  /** Reads a file to its end and returns how many bytes came. */
  async download(sandbox: Sandbox, path: string): Promise<number> {
    const response = await this.envd(sandbox, `/files?path=${encodeURIComponent(path)}`, {});
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    if (response.statusCode !== 200) throw new Error(`download: status ${response.statusCode}`);
    return bytes;
  }

  /** `GET /health` of envd, through the edge or at another base URL. */
  async health(sandbox: Sandbox, base?: string): Promise<void> {
    const response = await this.envd(sandbox, '/health', base === undefined ? {} : { base });
    response.resume();
    if (response.statusCode !== 204) throw new Error(`health: status ${response.statusCode}`);
  }

  /** A request to envd with the routing headers of the two-URL form. */
  envd(sandbox: Sandbox, path: string, call: Call & { base?: string }): Promise<IncomingMessage> {
    return this.#send((call.base ?? this.#atoll.sandboxUrl) + path, {
      ...call,
      headers: {
        'e2b-sandbox-id': sandbox.id,
        'e2b-sandbox-port': String(ENVD_PORT),
        'x-access-token': sandbox.token,
        ...call.headers,
      },
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(url: string, { method = 'GET', headers = {}, body }: Call): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const length =
      typeof body === 'string' || Buffer.isBuffer(body) ? { 'content-length': Buffer.byteLength(body) } : {};
    const outgoing = request(url, {
      method,
      agent: this.#agent,
      headers: { ...length, ...headers },
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    });
    outgoing.on('response', resolve).on('error', reject);
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body);
    else body.on('error', reject).pipe(outgoing);
    return promise;
  }
}
