import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNavigation } from './answer.ts';
import { ask, routeTo, startEdge } from './testing.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

test('HTML is for pages that a browser opens, JSON for everything else', () => {
  const cases: [string[], boolean][] = [
    [['User-Agent', FIREFOX], true],
    [['User-Agent', FIREFOX, 'Accept', 'application/json'], false],
    [['User-Agent', FIREFOX, 'Accept', 'application/json, text/html'], true],
    [['User-Agent', FIREFOX, 'Sec-Fetch-Mode', 'cors'], false],
    [['User-Agent', FIREFOX, 'Sec-Fetch-Mode', 'no-cors'], false],
    [['User-Agent', FIREFOX, 'Sec-Fetch-Mode', 'same-origin'], false],
    [['User-Agent', FIREFOX, 'Sec-Fetch-Mode', 'websocket'], false],
    [['User-Agent', FIREFOX, 'Sec-Fetch-Mode', 'navigate', 'Accept', 'application/json'], true],
    [['User-Agent', FIREFOX, 'X-Requested-With', 'XMLHttpRequest'], false],
    [['User-Agent', 'e2b-js-sdk/2.51.0'], false],
    [['User-Agent', 'curl/8'], false],
    [[], false],
  ];
  for (const [headers, expected] of cases) {
    const head = { method: 'GET', target: '/', host: '', headers, encrypted: false };
    assert.equal(isNavigation(head), expected, headers.join(' '));
  }
});

test('an unknown sandbox is a 502 whose message says that it was not found', async (t) => {
  const { edge } = await startEdge(t);
  const reply = await ask(edge, { host: '49983-igone.atoll.test', path: '/health' });
  assert.equal(reply.status, 502);
  assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(JSON.parse(reply.body), { sandboxId: 'igone', message: 'The sandbox was not found', code: 502 });
});

test('a closed port is retried for about a second and then told from a missing sandbox', async (t) => {
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.40'));
  const started = performance.now();
  const reply = await ask(edge, { host: '3000-iguest.atoll.test' });
  const took = performance.now() - started;
  assert.equal(reply.status, 502);
  const expected = {
    sandboxId: 'iguest',
    port: 3000,
    message: 'The sandbox is running but port is not open',
    code: 502,
  };
  assert.deepEqual(JSON.parse(reply.body), expected);
  assert.ok(took > 900 && took < 2_000, `took ${took} ms`);
});

test('a server that starts while the request waits still gets it', async (t) => {
  const { startGuest } = await import('./testing.ts');
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.41'));
  const reply = ask(edge, { host: '3000-iguest.atoll.test' });
  await new Promise((resolve) => setTimeout(resolve, 250));
  await startGuest(t, '127.0.0.41', (_request, response) => response.end('just in time'), 3000);
  assert.equal((await reply).body, 'just in time');
});

test('the pages for people tell the two cases apart and need nothing else', async (t) => {
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.40'));
  const headers = { 'User-Agent': FIREFOX };
  const closed = await ask(edge, { host: '3000-iguest.atoll.test', headers });
  const gone = await ask(edge, { host: '3000-igone.atoll.test', headers });
  assert.match(closed.body, /<h1>Nothing listens on port 3000<\/h1>/);
  assert.match(gone.body, /<h1>No such sandbox<\/h1>/);
  for (const page of [closed, gone]) {
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.doesNotMatch(page.body, /src=|href=|@import|url\(/);
  }
});

test('a page shows nothing that a link could smuggle in', async (t) => {
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.40'));
  const path = '/init/%3Cscript%3E/../?<script>';
  const reply = await ask(edge, { host: '49983-iguest.atoll.test', path, headers: { 'User-Agent': FIREFOX } });
  assert.equal(reply.status, 404);
  assert.doesNotMatch(reply.body, /<script/);
});

test('a script in a browser can read why its request failed', async (t) => {
  const { edge } = await startEdge(t);
  const host = '49983-igone.atoll.test';
  const asked = {
    Origin: 'https://app.example',
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'x-access-token',
  };
  const preflight = await ask(edge, { host, method: 'OPTIONS', headers: asked });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-headers'], 'x-access-token');
  const reply = await ask(edge, { host, method: 'POST', headers: { Origin: 'https://app.example' } });
  assert.equal(reply.status, 502);
  assert.equal(reply.headers['access-control-allow-origin'], '*');
});

test('a client that still uploads gets to read the refusal', async (t) => {
  const { edge } = await startEdge(t);
  const reply = await ask(edge, {
    host: '49983-igone.atoll.test',
    method: 'POST',
    path: '/files',
    body: 'x'.repeat(20_000_000),
  });
  assert.equal(reply.status, 502);
});
