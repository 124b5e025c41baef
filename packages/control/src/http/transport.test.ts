import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

const port = () => Number(new URL(atoll.control.url).port);

/** Sends bytes as they are and returns everything that comes back until the server closes. */
async function sendRaw(bytes: string): Promise<{ head: string; body: string }> {
  const socket = net.connect(port(), '127.0.0.1');
  socket.end(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n', 2);
  return { head, body };
}

test('a request with 1,000 headers is served', async () => {
  const headers: Record<string, string> = { 'X-API-Key': atoll.control.seed.apiKey };
  for (let index = 0; index < 1000; index += 1) headers[`x-header-${index}`] = 'value';
  assert.equal((await atoll.ask('GET /v2/sandboxes', undefined, headers)).status, 200);
});

test('headers beyond all measure are refused in JSON', async () => {
  const { head, body } = await sendRaw(`GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(100_000)}\r\n\r\n`);
  assert.match(head, /^HTTP\/1\.1 431 /);
  assert.equal(JSON.parse(body).code, 431);
});

test('what is no HTTP at all is answered in JSON', async () => {
  for (const bytes of ['hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'GET /\u0000 HTTP/1.1\r\nHost: x\r\n\r\n']) {
    const { head, body } = await sendRaw(bytes);
    assert.match(head, /^HTTP\/1\.1 400 /, JSON.stringify(bytes));
    assert.match(head, /Content-Type: application\/json/);
    assert.deepEqual(Object.keys(JSON.parse(body)), ['code', 'message', 'error_code']);
  }
});

test('a body beyond 16 MiB is refused without being read', async () => {
  const response = await fetch(`${atoll.control.url}/v2/sandboxes`, {
    method: 'POST',
    headers: { 'X-API-Key': atoll.control.seed.apiKey, 'Content-Type': 'application/json' },
    body: Buffer.alloc(16 * 1024 * 1024 + 1, 32),
  });
  assert.equal(response.status, 413);
  assert.equal(((await response.json()) as { code: number }).code, 413);
});

test('a stranger is refused before the body is read', async () => {
  const request = http.request({
    port: port(),
    method: 'POST',
    path: '/v2/sandboxes',
    headers: { 'Content-Length': 10_000_000 },
  });
  request.on('error', () => {});
  request.flushHeaders();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  assert.equal(response.statusCode, 401);
  request.destroy();
});

test('HTTP/2 without TLS is spoken on the same port', async () => {
  const session = http2.connect(atoll.control.url);
  const ask = async (path: string, body?: string) => {
    const stream = session.request({
      ':method': body === undefined ? 'GET' : 'POST',
      ':path': path,
      'x-api-key': atoll.control.seed.apiKey,
    });
    stream.end(body);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return { status: Number(headers[':status']), json: JSON.parse(Buffer.concat(chunks).toString()) };
  };
  try {
    const created = await ask('/v2/sandboxes', '{"templateID":"base"}');
    assert.equal(created.status, 201);
    const [listed, unknown] = await Promise.all([ask('/v2/sandboxes'), ask('/sandboxes/i0')]);
    assert.equal(listed.json.length, 1);
    assert.equal(unknown.status, 404);
  } finally {
    session.close();
  }
});

test('many requests on one kept connection are served, also when the first bytes come one by one', async () => {
  const socket = net.connect(port(), '127.0.0.1');
  const request = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const byte of request) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.write(request.repeat(3));
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text.split('HTTP/1.1 200').length === 5) break;
  }
  assert.equal(text.split('HTTP/1.1 200').length, 5);
});

test('browsers may ask from anywhere, with every header that the clients send', async () => {
  const preflight = await fetch(`${atoll.control.url}/v2/sandboxes`, {
    method: 'OPTIONS',
    headers: { Origin: 'https://a.example' },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
  const allowed = preflight.headers.get('access-control-allow-headers')?.split(', ') ?? [];
  for (const name of ['Authorization', 'X-API-Key', 'X-Team-ID', 'Idempotency-Key', 'sdk_runtime', 'package_version']) {
    assert.ok(allowed.includes(name), name);
  }
  for (const line of ['GET /v2/sandboxes', 'GET /sandboxes/i0', 'GET /nothing', 'GET /sandboxes/%E0%A4%A']) {
    const { headers } = await atoll.ask(line);
    assert.equal(headers.get('access-control-allow-origin'), '*', line);
    assert.match(headers.get('access-control-expose-headers') ?? '', /X-Next-Token.*Should-Retry/);
  }
});

test('health is plain and open to everybody', async () => {
  const { status, text } = await atoll.ask('GET /health', undefined, { 'X-API-Key': '' });
  assert.equal(status, 200);
  assert.equal(text, 'OK');
});

test('the OpenAPI document names every route that is served, and the page shows it without loading anything', async () => {
  const { status, json } = await atoll.ask('GET /openapi.json', undefined, { 'X-API-Key': '' });
  assert.equal(status, 200);
  assert.equal(json.openapi, '3.1.0');
  assert.ok(json.paths['/v2/sandboxes'].post.requestBody.content['application/json'].schema.properties.templateID);
  assert.ok(json.paths['/sandboxes/{sandboxID}'].get.responses[200]);
  for (const path of ['/docs', '/openapi']) {
    const page = await atoll.ask(`GET ${path}`, undefined, { 'X-API-Key': '' });
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    for (const name of Object.keys(json.paths)) assert.ok(page.text.includes(name), name);
    assert.doesNotMatch(page.text, /<script|src=|https?:\/\/(?!127)/);
  }
});
