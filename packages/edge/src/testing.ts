import { createServer, type IncomingMessage, type RequestListener, type RequestOptions, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { TestContext } from 'node:test';
import { RouteRegistry } from '@atoll/bus';
import type { SandboxRoute } from '@atoll/contract';
import { pino } from 'pino';
import { openEdge } from './edge.ts';
import type { Edge, EdgeOptions } from './options.ts';

/** An edge with its routes, closed when the test ends. */
export async function startEdge(
  t: TestContext,
  options: Partial<EdgeOptions> = {},
): Promise<{ edge: Edge; routes: RouteRegistry }> {
  const routes = new RouteRegistry();
  const logger = pino({ level: 'silent' });
  const edge = await openEdge({ routes, host: '127.0.0.1', port: 0, domain: 'atoll.test', logger, ...options });
  t.after(() => edge.close());
  return { edge, routes };
}

/** A route to a stand-in guest. */
export function routeTo(address: string, more: Partial<SandboxRoute> = {}): SandboxRoute {
  return {
    sandboxId: 'iguest',
    teamId: 'team',
    address,
    lifecycleId: 'life1',
    allowPublicTraffic: true,
    httpsPorts: [],
    ports: [],
    ...more,
  };
}

/** A real HTTP server as a program of a guest; gives its port. */
export async function startGuest(
  t: TestContext,
  address: string,
  listener: RequestListener,
  port = 0,
): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** What a client got. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly trailers: IncomingMessage['trailers'];
  readonly body: string;
}

/** Asks over HTTP/1.1 and reads the whole answer. `host` is the Host field. */
export function ask(
  edge: Pick<Edge, 'port'>,
  options: RequestOptions & { host?: string; body?: string } = {},
): Promise<Reply> {
  const { host, body, headers, ...rest } = options;
  return new Promise((resolve, reject) => {
    const client = request({
      agent: false,
      ...rest,
      host: '127.0.0.1',
      port: edge.port,
      headers: { ...(host === undefined ? {} : { host }), ...(headers as Record<string, string>) },
    });
    client.on('error', reject);
    client.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, headers: fields, trailers } = response;
        resolve({ status: statusCode, headers: fields, trailers, body: text });
      });
    });
    client.end(body);
  });
}

/** Sends bytes as they are and reads until the other side closes. */
export function sendRaw(edge: Pick<Edge, 'port'>, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(edge.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.write(text, 'latin1');
  });
}

/** Resolves when the condition holds; fails after two seconds. For states that no event announces. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 2_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
