import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RouteRegistry } from '@atoll/bus';
import { SignatureSearch, signFile } from './signature-search.ts';
import { ask, routeTo, startEdge, startGuest } from './testing.ts';

const parts = { path: '/home/user/a b.txt', operation: 'read', user: 'user', expiration: undefined } as const;

function link(token: string, more: { expiration?: string; operation?: 'read' | 'write' } = {}): string {
  const signed = { ...parts, ...more };
  const query = new URLSearchParams({ path: signed.path, username: signed.user, signature: signFile(signed, token) });
  if (signed.expiration !== undefined) query.set('signature_expiration', signed.expiration);
  return `/files?${query}`;
}

test('a signed URL without an id finds the sandbox whose token signed it', async (t) => {
  const { edge, routes } = await startEdge(t);
  await startGuest(t, '127.0.0.50', (_request, response) => response.end('first'), 49983);
  await startGuest(t, '127.0.0.51', (_request, response) => response.end('second'), 49983);
  routes.publish(routeTo('127.0.0.50', { sandboxId: 'ione', envdAccessToken: 'token-one' }));
  routes.publish(routeTo('127.0.0.51', { sandboxId: 'itwo', envdAccessToken: 'token-two' }));
  assert.equal((await ask(edge, { path: link('token-one') })).body, 'first');
  assert.equal((await ask(edge, { path: link('token-two') })).body, 'second');
  assert.equal((await ask(edge, { path: link('token-two', { expiration: '4102444800' }) })).body, 'second');
  const upload = { method: 'POST', path: link('token-two', { operation: 'write' }), body: 'x' };
  assert.equal((await ask(edge, upload)).body, 'second');
  assert.equal(
    (await ask(edge, { path: link('token-two', { operation: 'write' }) })).status,
    502,
    'a write link does not read',
  );
});

test('a signature that no sandbox made is refused with the form that always works', async (t) => {
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.50', { envdAccessToken: 'token-one' }));
  const reply = await ask(edge, { path: link('of-a-killed-sandbox') });
  assert.equal(reply.status, 502);
  assert.match(JSON.parse(reply.body).message, /was not found.*https:\/\/49983-<sandbox id>\.atoll\.test\/files/);
});

test('other requests are not searched', () => {
  const routes = new RouteRegistry();
  routes.publish(routeTo('127.0.0.50', { envdAccessToken: 'token' }));
  const search = new SignatureSearch({ routes, hashesPerSecond: 10 });
  const good = link('token');
  assert.equal(search.find({ method: 'GET', target: good }), 'iguest');
  for (const target of [
    '/files',
    '/files?signature=v1_short',
    good.replace('/files', '/filesystem'),
    good.replace('v1_', 'v2_'),
  ]) {
    assert.equal(search.find({ method: 'GET', target }), undefined, target);
  }
  assert.equal(search.find({ method: 'DELETE', target: good }), undefined);
});

test('junk links can not take more than their share of the processor, known ones still work', () => {
  const routes = new RouteRegistry();
  for (let i = 0; i < 10; i += 1)
    routes.publish(routeTo('127.0.0.50', { sandboxId: `i${i}`, envdAccessToken: `token${i}` }));
  let now = 0;
  const search = new SignatureSearch({ routes, hashesPerSecond: 25, now: () => now });
  const status = (target: string): string | number => {
    const found = search.find({ method: 'GET', target });
    return typeof found === 'object' ? found.status : String(found);
  };
  assert.equal(status(link('token3')), 'i3');
  assert.equal(status(link('junk')), 502);
  assert.equal(status(link('more junk')), 502);
  assert.equal(status(link('too much junk')), 429);
  assert.equal(status(link('token3')), 'i3', 'remembered');
  now += 1_000;
  assert.equal(status(link('junk')), 502);
});
