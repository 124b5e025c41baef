import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { test } from 'node:test';
import type { Edge } from './options.ts';
import { ask, eventually, routeTo, sendRaw, startEdge, startGuest } from './testing.ts';

function open(
  edge: Edge,
  port: number,
  options: { method?: string; headers?: Record<string, string | number> } = {},
): ClientRequest {
  const { headers, ...rest } = options;
  return request({
    ...rest,
    agent: false,
    host: '127.0.0.1',
    port: edge.port,
    headers: { host: `${port}-iguest.atoll.test`, ...headers },
  });
}

async function responseOf(client: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(client, 'response')) as [IncomingMessage];
  return response;
}

const MIB = 1024 * 1024;

test('events reach the client one by one as they are sent, the head before the first of them', async (t) => {
  const { edge, routes } = await startEdge(t);
  let guest: ServerResponse | undefined;
  const port = await startGuest(t, '127.0.0.60', (_request, response) => {
    guest = response;
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
  });
  routes.publish(routeTo('127.0.0.60'));
  const client = open(edge, port);
  client.end();
  const response = await responseOf(client);
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    guest?.write(event);
    const [chunk] = (await once(response, 'data')) as [Buffer];
    assert.equal(chunk.toString(), event);
  }
  client.destroy();
});

test('a slow reader of a huge answer holds the sender back, memory stays bounded', async (t) => {
  const { edge, routes } = await startEdge(t);
  const total = 2048 * MIB;
  let sent = 0;
  const block = Buffer.alloc(MIB);
  const port = await startGuest(t, '127.0.0.61', (_request, response) => {
    response.writeHead(200, { 'Content-Length': total });
    const more = (): void => {
      while (sent < total) {
        sent += block.length;
        if (!response.write(block)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  routes.publish(routeTo('127.0.0.61'));
  const client = open(edge, port);
  client.end();
  const response = await responseOf(client);
  response.pause();
  const before = process.memoryUsage().rss;
  let last = -1;
  await eventually(() => {
    const stands = sent === last;
    last = sent;
    return stands && sent > 0;
  }, 'the sender stands still');
  assert.ok(sent < 64 * MIB, `the guest could send ${sent / MIB} MiB although nobody reads`);
  let received = 0;
  for await (const chunk of response) {
    received += (chunk as Buffer).length;
    if (received > 512 * MIB) break;
  }
  const grown = (process.memoryUsage().rss - before) / MIB;
  assert.ok(grown < 250, `memory grew by ${grown} MiB`);
});

test('a guest that reads slowly holds an upload back', async (t) => {
  const { edge, routes } = await startEdge(t);
  let upload: IncomingMessage | undefined;
  const port = await startGuest(t, '127.0.0.62', (incoming) => {
    upload = incoming;
    incoming.pause();
  });
  routes.publish(routeTo('127.0.0.62'));
  const client = open(edge, port, { method: 'POST', headers: { 'Content-Length': 1024 * MIB } });
  client.on('error', () => undefined);
  let accepted = 0;
  const block = Buffer.alloc(MIB);
  while (client.write(block) || client.writableLength < 4 * MIB) accepted += 1;
  await eventually(() => upload !== undefined, 'the guest has the request');
  let before = -1;
  await eventually(() => {
    const stands = client.writableLength === before;
    before = client.writableLength;
    return stands;
  }, 'the upload stands still');
  assert.ok(client.writableLength > 0 || accepted < 64, `${accepted} MiB went away`);
  client.destroy();
});

test('a connection serves the next request after an answer that came ahead of its body’s end', async (t) => {
  const { edge, routes } = await startEdge(t);
  // Says what it has to say and reads no further, but stays.
  const guest = createServer((connection) => {
    connection.on('error', () => undefined);
    connection.once('data', (head) => {
      connection.pause();
      const body = head.toString('latin1').startsWith('GET') ? 'alive' : 'full!';
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${body}`);
    });
  });
  guest.listen(0, '127.0.0.77');
  await once(guest, 'listening');
  t.after(() => guest.close());
  const { port } = guest.address() as AddressInfo;
  routes.publish(routeTo('127.0.0.77'));
  const socket = connectTcp(edge.port, '127.0.0.1');
  t.after(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  const host = `Host: ${port}-iguest.atoll.test`;
  socket.write(`POST / HTTP/1.1\r\n${host}\r\nContent-Length: ${8 * MIB}\r\n\r\n`);
  socket.write(Buffer.alloc(8 * MIB));
  await eventually(() => received.endsWith('full!'), 'the answer to the upload');
  socket.write(`GET / HTTP/1.1\r\n${host}\r\n\r\n`);
  await eventually(() => received.endsWith('alive'), 'the answer to the next request');
});

test('both directions stream at once on one request', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.63', (incoming, response) => incoming.pipe(response));
  routes.publish(routeTo('127.0.0.63'));
  const client = open(edge, port, { method: 'POST' });
  client.write('one');
  const response = await responseOf(client);
  assert.equal(String((await once(response, 'data'))[0]), 'one');
  client.write('two');
  assert.equal(String((await once(response, 'data'))[0]), 'two');
  client.end();
  await once(response.resume(), 'end');
});

test('a client that goes away ends the work in the sandbox at once', async (t) => {
  const { edge, routes } = await startEdge(t);
  let closed = 0;
  const port = await startGuest(t, '127.0.0.64', (incoming, response) => {
    response.once('close', () => (closed += 1));
    if (incoming.url === '/answering') response.write('some');
  });
  routes.publish(routeTo('127.0.0.64'));
  const waiting = open(edge, port);
  waiting.on('error', () => undefined);
  waiting.end();
  await once(waiting, 'socket');
  await new Promise((resolve) => setTimeout(resolve, 50));
  waiting.destroy();
  await eventually(() => closed === 1, 'abort before the answer');

  const client = request({
    agent: false,
    host: '127.0.0.1',
    port: edge.port,
    path: '/answering',
    headers: { host: `${port}-iguest.atoll.test` },
  });
  client.on('error', () => undefined);
  client.end();
  await responseOf(client);
  client.destroy();
  await eventually(() => closed === 2, 'abort within the answer');
});

test('an answer that the sandbox breaks off is broken off for the client too, whatever its framing', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.65', (incoming, response) => {
    if (incoming.url === '/length') response.setHeader('Content-Length', 100);
    if (incoming.url === '/silent') {
      incoming.socket.destroy();
      return;
    }
    response.write('part', () => incoming.socket.destroy());
  });
  routes.publish(routeTo('127.0.0.65'));
  const host = `${port}-iguest.atoll.test`;
  await assert.rejects(ask(edge, { host, path: '/length' }), { code: 'ECONNRESET' });
  await assert.rejects(ask(edge, { host, path: '/chunked' }), { code: 'ECONNRESET' });
  await assert.rejects(sendRaw(edge, `GET /old HTTP/1.0\r\nHost: ${host}\r\n\r\n`), { code: 'ECONNRESET' });
  const silent = await ask(edge, { host, path: '/silent' });
  assert.equal(silent.status, 502);
  assert.match(JSON.parse(silent.body).message, /closed the connection without an answer/);
});

test('trailers, interim answers and Expect: 100-continue pass', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.66', (incoming, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    incoming.resume().on('end', () => {
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write('body');
      response.addTrailers({ 'X-Sum': incoming.trailers['x-request-sum'] ?? '' });
      response.end();
    });
  });
  routes.publish(routeTo('127.0.0.66'));
  const client = open(edge, port, {
    method: 'POST',
    headers: { Expect: '100-continue', 'Transfer-Encoding': 'chunked', Trailer: 'X-Request-Sum' },
  });
  const seen: number[] = [];
  client.on('information', ({ statusCode }) => seen.push(statusCode));
  client.flushHeaders();
  await once(client, 'continue');
  client.addTrailers({ 'X-Request-Sum': '42' });
  client.end('content');
  const response = await responseOf(client);
  await once(response.resume(), 'end');
  assert.equal(response.trailers['x-sum'], '42');
  assert.ok(seen.includes(103), `interim answers: ${seen}`);
});

test('a client does not wait for a 100 that its server never sends', async (t) => {
  const { edge, routes } = await startEdge(t);
  const { createServer } = await import('node:net');
  const server = createServer((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('content')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  server.listen(0, '127.0.0.67');
  await once(server, 'listening');
  t.after(() => server.close());
  routes.publish(routeTo('127.0.0.67'));
  const { port } = server.address() as { port: number };
  const client = open(edge, port, { method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 7 } });
  client.flushHeaders();
  await once(client, 'continue');
  client.end('content');
  assert.equal((await responseOf(client)).statusCode, 200);
});

test('HEAD, empty answers and an explicit length of zero keep their form', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.68', (incoming, response) => {
    if (incoming.url === '/none') response.writeHead(204);
    else if (incoming.url === '/same') response.writeHead(304, { ETag: '"x"' });
    else if (incoming.url === '/empty') response.writeHead(200, { 'Content-Length': 0 });
    else response.writeHead(200, { 'Content-Length': 12 });
    response.end();
  });
  routes.publish(routeTo('127.0.0.68'));
  const host = `${port}-iguest.atoll.test`;
  const head = await ask(edge, { host, method: 'HEAD' });
  assert.equal(head.headers['content-length'], '12');
  assert.equal((await ask(edge, { host, path: '/none' })).status, 204);
  assert.equal((await ask(edge, { host, path: '/same' })).headers.etag, '"x"');
  assert.equal((await ask(edge, { host, path: '/empty' })).headers['content-length'], '0');
});

test('requests on one client connection go each to its own sandbox', async (t) => {
  const { edge, routes } = await startEdge(t);
  for (const n of [1, 2]) {
    await startGuest(t, `127.0.1.${n}`, (_request, response) => response.end(`guest ${n}`), 8080);
    routes.publish(routeTo(`127.0.1.${n}`, { sandboxId: `i${n}` }));
  }
  const line = (n: number, more = ''): string => `GET / HTTP/1.1\r\nHost: 8080-i${n}.atoll.test\r\n${more}\r\n`;
  const answers = await sendRaw(edge, line(1) + line(2) + line(1) + line(2, 'Connection: close\r\n'));
  assert.deepEqual(answers.match(/guest \d/g), ['guest 1', 'guest 2', 'guest 1', 'guest 2']);
});

test('connections are kept within a life and never used in another one', async (t) => {
  const { edge, routes } = await startEdge(t);
  const connections = new Set<unknown>();
  const port = await startGuest(t, '127.0.0.69', (incoming, response) => {
    connections.add(incoming.socket);
    response.end('ok');
  });
  const host = `${port}-iguest.atoll.test`;
  routes.publish(routeTo('127.0.0.69'));
  await ask(edge, { host });
  await ask(edge, { host });
  assert.equal(connections.size, 1, 'kept alive');
  routes.publish(routeTo('127.0.0.69', { ports: [] }));
  await ask(edge, { host });
  assert.equal(connections.size, 1, 'a change of settings is the same life');
  routes.publish(routeTo('127.0.0.69', { lifecycleId: 'life2' }));
  await ask(edge, { host });
  assert.equal(connections.size, 2, 'a resume is another life');
});

test('the end of a sandbox ends what waits on it and what streams from it', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.70', (incoming, response) => {
    if (incoming.url === '/stream') response.write('x');
  });
  routes.publish(routeTo('127.0.0.70'));
  const host = `${port}-iguest.atoll.test`;
  const waiting = ask(edge, { host });
  const streaming = assert.rejects(ask(edge, { host, path: '/stream' }), { code: 'ECONNRESET' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  routes.withdraw('iguest');
  const reply = await waiting;
  assert.equal(reply.status, 502);
  assert.match(JSON.parse(reply.body).message, /was not found/);
  await streaming;
});

test('a kept connection that the guest closed costs a request nothing', async (t) => {
  const { edge, routes } = await startEdge(t);
  let served = 0;
  const port = await startGuest(t, '127.0.0.71', (incoming, response) => {
    served += 1;
    response.end('ok');
    // Closes without saying so, as servers do that are reloaded.
    response.once('finish', () => setImmediate(() => incoming.socket.destroy()));
  });
  routes.publish(routeTo('127.0.0.71'));
  const host = `${port}-iguest.atoll.test`;
  for (let i = 0; i < 50; i += 1) {
    const method = i % 2 === 0 ? 'GET' : 'POST';
    assert.equal((await ask(edge, { host, method })).status, 200, `request ${i}`);
  }
  assert.equal(served, 50);
});

test('maskRequestHost replaces the Host field and tells the real one, but not for envd', async (t) => {
  const { edge, routes } = await startEdge(t);
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    response.end(`${incoming.headers.host} ${incoming.headers['x-forwarded-host'] ?? '-'}`);
  };
  const port = await startGuest(t, '127.0.0.72', listener);
  await startGuest(t, '127.0.0.72', listener, 49983);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the literal of the protocol.
  routes.publish(routeTo('127.0.0.72', { maskRequestHost: 'localhost:${PORT}' }));
  const host = `${port}-iguest.atoll.test`;
  const headers = { 'X-Forwarded-Host': 'forged' };
  assert.equal((await ask(edge, { host, headers })).body, `localhost:${port} ${host}`);
  assert.equal((await ask(edge, { host: '49983-iguest.atoll.test' })).body, '49983-iguest.atoll.test -');
});

test('a connection that says nothing is not held open by the edge when it closes', async (t) => {
  const { edge } = await startEdge(t);
  const socket = connectTcp(edge.port, '127.0.0.1');
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  await edge.close();
  await closed;
});
