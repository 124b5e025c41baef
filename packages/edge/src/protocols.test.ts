import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { ensurePrivateCa } from './private-ca.ts';
import { ask, eventually, routeTo, sendRaw, startEdge, startGuest } from './testing.ts';

async function certificate(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-tls-'));
  t.after(() => rm(directory, { recursive: true }));
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  return {
    tls: { port: 0, cert: files.certPath, key: files.keyPath },
    ca: await readFile(files.caPath, 'utf8'),
    files,
  };
}

function openSession(t: TestContext, url: string, options: object = {}): ClientHttp2Session {
  const session = connect(url, options);
  session.on('error', () => undefined);
  t.after(() => session.destroy());
  return session;
}

async function read(
  stream: ClientHttp2Stream,
): Promise<{ status: unknown; body: string; trailers: object | undefined }> {
  let trailers: object | undefined;
  let body = '';
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  const [headers] = (await once(stream, 'response')) as [OutgoingHttpHeaders];
  for await (const chunk of stream) body += String(chunk);
  return { status: headers[':status'], body, trailers };
}

test('HTTP/2 is served over TLS by ALPN, many requests on one connection, each to its own sandbox', async (t) => {
  const { tls, ca } = await certificate(t);
  const { edge, routes } = await startEdge(t, { tls });
  for (const n of [1, 2]) {
    await startGuest(
      t,
      `127.0.2.${n}`,
      (incoming, response) => response.end(`${n} ${incoming.headers.host} ${incoming.headers.cookie}`),
      8080,
    );
    routes.publish(routeTo(`127.0.2.${n}`, { sandboxId: `i${n}` }));
  }
  const session = openSession(t, `https://127.0.0.1:${edge.tlsPort}`, { ca, servername: 'api.atoll.test' });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => {
      const authority = `8080-i${1 + (i % 2)}.atoll.test`;
      return read(session.request({ ':path': '/', ':authority': authority, cookie: ['a=1', 'b=2'] }));
    }),
  );
  for (const [i, { status, body }] of answers.entries()) {
    assert.equal(status, 200);
    assert.equal(body, `${1 + (i % 2)} 8080-i${1 + (i % 2)}.atoll.test a=1; b=2`);
  }
});

test('HTTP/2 with prior knowledge is served on the plain port, beside HTTP/1.1', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.2.3', (incoming, response) => incoming.pipe(response));
  routes.publish(routeTo('127.0.2.3'));
  const session = openSession(t, edge.url);
  const stream = session.request({ ':path': '/', ':method': 'POST', ':authority': `${port}-iguest.atoll.test` });
  stream.end('over h2');
  assert.equal((await read(stream)).body, 'over h2');
  assert.equal((await ask(edge, { host: `${port}-iguest.atoll.test`, method: 'POST', body: 'h1' })).body, 'h1');
});

test('the preface of HTTP/2 is known even when it comes byte by byte, and so is a request', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.2.4', (incoming, response) => response.end(incoming.method));
  routes.publish(routeTo('127.0.2.4'));
  for (const [text, expected] of [
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^\0\0/],
    [`PROPFIND / HTTP/1.1\r\nHost: ${port}-iguest.atoll.test\r\nConnection: close\r\n\r\n`, /PROPFIND/],
  ] as const) {
    const socket = connectTcp({ port: edge.port, host: '127.0.0.1', noDelay: true });
    t.after(() => socket.destroy());
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    for (const byte of text) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => expected.test(answer), `an answer like ${expected}, got ${answer}`);
  }
});

test('HTTP/2 passes trailers, interim answers, resets and refusals', async (t) => {
  const { edge, routes } = await startEdge(t);
  let closed = 0;
  const port = await startGuest(t, '127.0.2.5', (incoming, response) => {
    if (incoming.url === '/endless') {
      response.once('close', () => (closed += 1));
      response.write('start');
      return;
    }
    if (incoming.url === '/broken') {
      response.write('part', () => incoming.socket.destroy());
      return;
    }
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    response.writeHead(200, { Trailer: 'X-Sum' });
    response.addTrailers({ 'X-Sum': '7' });
    response.end('body');
  });
  routes.publish(routeTo('127.0.2.5'));
  const session = openSession(t, edge.url);
  const get = (path: string, authority = `${port}-iguest.atoll.test`): ClientHttp2Stream =>
    session.request({ ':path': path, ':authority': authority });

  const whole = get('/');
  let interim = 0;
  whole.on('headers', () => (interim += 1));
  const answer = await read(whole);
  assert.equal(answer.body, 'body');
  assert.equal((answer.trailers as Record<string, string>)['x-sum'], '7');
  assert.equal(interim, 1);

  const endless = get('/endless');
  await once(endless, 'response');
  endless.close();
  await eventually(() => closed === 1, 'the reset reaches the guest');

  await assert.rejects(read(get('/broken')), { code: 'ERR_HTTP2_STREAM_ERROR' });
  const gone = await read(get('/', '80-igone.atoll.test'));
  assert.equal(gone.status, 502);
  assert.match(JSON.parse(gone.body).message, /was not found/);
  const differing = session.request({ ':path': '/', ':authority': '80-ia.atoll.test', host: '80-ib.atoll.test' });
  assert.equal((await read(differing)).status, 400);
});

test('large bodies cross HTTP/2 whole in both directions', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.2.6', (incoming, response) => incoming.pipe(response));
  routes.publish(routeTo('127.0.2.6'));
  const stream = openSession(t, edge.url).request({
    ':path': '/',
    ':method': 'POST',
    ':authority': `${port}-iguest.atoll.test`,
  });
  const block = Buffer.alloc(1024 * 1024, 'x');
  const sending = (async () => {
    for (let i = 0; i < 64; i += 1) if (!stream.write(block)) await once(stream, 'drain');
    stream.end();
  })();
  let received = 0;
  for await (const chunk of stream) received += (chunk as Buffer).length;
  await sending;
  assert.equal(received, 64 * block.length);
});

test('a WebSocket works both ways, plain and over TLS, and ends with either side', async (t) => {
  const { tls, ca } = await certificate(t);
  const { edge, routes } = await startEdge(t, { tls });
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  let open = 0;
  sockets.on('connection', (socket, request) => {
    open += 1;
    socket.on('close', () => (open -= 1));
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    socket.send(`${request.url}`);
  });
  server.listen(0, '127.0.2.7');
  await once(server, 'listening');
  t.after(() => {
    sockets.close();
    server.close();
  });
  routes.publish(routeTo('127.0.2.7'));
  const host = `${(server.address() as AddressInfo).port}-iguest.atoll.test`;
  for (const url of [`ws://127.0.0.1:${edge.port}`, `wss://127.0.0.1:${edge.tlsPort}`]) {
    const client = new WebSocket(`${url}/websockify?x=1`, { headers: { host }, ca, servername: host } as object);
    const [greeting] = await once(client, 'message');
    assert.equal(String(greeting), '/websockify?x=1');
    const large = Buffer.alloc(5_000_000, 'y');
    client.send(large);
    const [echo] = (await once(client, 'message')) as [Buffer];
    assert.equal(echo.length, large.length);
    client.terminate();
    await eventually(() => open === 0, 'the guest sees the end');
  }
  const last = new WebSocket(`ws://127.0.0.1:${edge.port}`, { headers: { host } });
  await once(last, 'message');
  routes.withdraw('iguest');
  await once(last, 'close');
});

test('a refused WebSocket is answered and nothing can follow it', async (t) => {
  const { edge, routes } = await startEdge(t);
  const seen: (string | undefined)[] = [];
  const port = await startGuest(t, '127.0.2.8', (incoming, response: ServerResponse) => {
    seen.push(incoming.url);
    response.writeHead(426, { 'Content-Type': 'text/plain' });
    response.end('no sockets here');
  });
  routes.publish(routeTo('127.0.2.8'));
  const head = (to: string): string =>
    `GET /socket HTTP/1.1\r\nHost: ${to}-iguest.atoll.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const answer = await sendRaw(edge, `${head(String(port))}GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.match(answer, /^HTTP\/1.1 426 /);
  assert.match(answer, /no sockets here/);
  assert.deepEqual(seen, ['/socket']);
  assert.match(await sendRaw(edge, head('1')), /^HTTP\/1.1 502 [\s\S]*port is not open/);
});

test('httpsPorts are spoken to over TLS, their certificate is not asked about', async (t) => {
  const { files } = await certificate(t);
  const { edge, routes } = await startEdge(t);
  const credentials = { cert: await readFile(files.certPath), key: await readFile(files.keyPath) };
  const server = createHttpsServer(credentials, (incoming, response) =>
    response.end(`secret ${incoming.headers.host}`),
  );
  server.listen(0, '127.0.2.9');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const host = `${port}-iguest.elsewhere.example`;
  routes.publish(routeTo('127.0.2.9', { httpsPorts: [port] }));
  assert.equal((await ask(edge, { host })).body, `secret ${host}`);
  assert.equal((await ask(edge, { host, method: 'POST', body: 'x' })).body, `secret ${host}`);
});
