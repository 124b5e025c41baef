import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { ask, routeTo, startEdge, startGuest } from './testing.ts';

const echoHost =
  (text: string): RequestListener =>
  (request, response) =>
    response.end(`${text} ${request.headers.host} ${request.url}`);

test('a host label with port and id reaches that port, whatever the base domain', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.11', echoHost('guest'));
  routes.publish(routeTo('127.0.0.11'));
  for (const host of [
    `${port}-iguest.atoll.test`,
    `${port}-iguest-client9.other.example:3002`,
    `${port}-IGUEST.localhost`,
  ]) {
    const reply = await ask(edge, { host, path: '/a?b=c' });
    assert.equal(reply.status, 200, reply.body);
    assert.equal(reply.body, `guest ${host} /a?b=c`);
  }
});

test('the routing headers are honoured on localhost, addresses, sandbox.<x> and configured names only', async (t) => {
  const { edge, routes } = await startEdge(t, { sandboxHosts: ['atoll-box'] });
  const port = await startGuest(t, '127.0.0.12', echoHost('guest'));
  routes.publish(routeTo('127.0.0.12'));
  const headers = { 'E2b-Sandbox-Id': 'iguest', 'E2b-Sandbox-Port': String(port) };
  for (const host of ['localhost:3002', '10.1.2.3', '[::1]:3002', 'sandbox.e2b.app', 'atoll-box:3002']) {
    assert.equal((await ask(edge, { host, headers })).status, 200, host);
  }
  assert.equal((await ask(edge, { host: 'unknown-name', headers })).body.split('\n')[0], 'Invalid host');
  const elsewhere = await ask(edge, { host: '1-iother.atoll.test', headers });
  assert.equal(elsewhere.status, 502, 'the host name wins over the headers');
  assert.equal(JSON.parse(elsewhere.body).sandboxId, 'iother');
});

test('<id>.<domain> reaches envd, beneath our own domain only', async (t) => {
  const { edge, routes } = await startEdge(t);
  await startGuest(t, '127.0.0.13', echoHost('envd'), 49983);
  routes.publish(routeTo('127.0.0.13'));
  assert.match((await ask(edge, { host: 'iguest.atoll.test' })).body, /^envd/);
  assert.equal((await ask(edge, { host: 'iguest.other.test' })).status, 400);
});

test('malformed addresses are answered with the texts of the protocol', async (t) => {
  const { edge } = await startEdge(t);
  const cases: [string, Record<string, string>, string][] = [
    ['localhost', { 'E2b-Sandbox-Id': 'iguest' }, 'missing header'],
    ['localhost', { 'E2b-Sandbox-Port': '80' }, 'missing header'],
    ['localhost', {}, 'missing header'],
    ['nodot', {}, 'Invalid host'],
    ['atoll.test', {}, 'Invalid host'],
    ['www.atoll.example', {}, 'Invalid host'],
    ['a b.atoll.test', {}, 'Invalid host'],
    ['user@80-iguest.atoll.test', {}, 'Invalid host'],
    ['http-iguest.atoll.test', {}, 'Invalid sandbox port'],
    ['0-iguest.atoll.test', {}, 'Invalid sandbox port'],
    ['65536-iguest.atoll.test', {}, 'Invalid sandbox port'],
    ['80-.atoll.test', {}, 'Invalid sandbox ID'],
    ['80-i_guest.atoll.test', {}, 'Invalid sandbox ID'],
    ['localhost', { 'E2b-Sandbox-Id': 'I-GUEST', 'E2b-Sandbox-Port': '80' }, 'Invalid sandbox ID'],
    ['localhost', { 'E2b-Sandbox-Id': 'iguest', 'E2b-Sandbox-Port': '80x' }, 'Invalid sandbox port'],
  ];
  for (const [host, headers, text] of cases) {
    const reply = await ask(edge, { host, headers });
    assert.equal(reply.status, 400, host);
    assert.equal(reply.body.split('\n')[0], text, host);
    assert.match(String(reply.headers['content-type']), /^text\/plain/);
  }
});

test('without routing headers the access token finds the sandbox, an empty one counts as absent', async (t) => {
  const { edge, routes } = await startEdge(t);
  await startGuest(t, '127.0.0.14', echoHost('envd'), 49983);
  routes.publish(routeTo('127.0.0.14', { envdAccessToken: 'secret' }));
  const path = '/files?path=a';
  assert.match((await ask(edge, { path, headers: { 'X-Access-Token': 'secret' } })).body, /^envd/);
  const unknown = await ask(edge, { path, headers: { 'X-Access-Token': 'wrong' } });
  assert.equal(unknown.status, 502);
  assert.match(JSON.parse(unknown.body).message, /was not found/);
  assert.equal((await ask(edge, { path, headers: { 'X-Access-Token': '' } })).status, 400);
});

test('api.<domain> is forwarded to the API, with the way it was asked', async (t) => {
  const apiPort = await startGuest(t, '127.0.0.1', (request, response) =>
    response.end(
      JSON.stringify([request.headers['x-api-key'], request.headers['x-forwarded-proto'], request.headers.host]),
    ),
  );
  const { edge } = await startEdge(t, { apiUrl: `http://127.0.0.1:${apiPort}` });
  const headers = { 'X-API-Key': 'e2b_00', 'X-Forwarded-Proto': 'gopher' };
  const reply = await ask(edge, { host: 'api.atoll.test', path: '/health', headers });
  assert.deepEqual(JSON.parse(reply.body), ['e2b_00', 'http', 'api.atoll.test']);
});
