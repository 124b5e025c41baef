import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInternalEnvdPath } from './internal-path.ts';
import { ask, routeTo, sendRaw, startEdge, startGuest } from './testing.ts';

const INTERNAL = ['init', 'freeze', 'unfreeze', 'collapse', 'fsfreeze', 'fsthaw', 'upgrade', 'logs'];

test('no spelling of an internal envd route gets through', () => {
  for (const name of INTERNAL) {
    for (const path of [
      `/${name}`,
      `//${name}`,
      `/./${name}`,
      `/x/../${name}`,
      `/${name}/`,
      `/${name}?a=b`,
      `/${name}#x`,
      `/${name};v=1`,
      `/${name.toUpperCase()}`,
      `/%${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
      `/%25${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
      `/%2e/${name}`,
      `/x%2f..%2f${name}`,
      `\\${name}`,
      `/${name}%3fx`,
      `/${name}%00`,
      `/${name}%20`,
      `/%252525252525252569nit`,
    ]) {
      assert.equal(isInternalEnvdPath(path), true, path);
    }
  }
});

test('public envd routes stay reachable, also with odd names in their query', () => {
  const open = [
    '/health',
    '/files?path=/init',
    '/files?path=%2Finit',
    '/process.Process/Start',
    '/',
    '*',
    '/files/compose',
    '/metrics',
    '/envs',
  ];
  for (const path of open) assert.equal(isInternalEnvdPath(path), false, path);
});

test('internal routes are answered 404 on port 49983 and are free on every other port', async (t) => {
  const { edge, routes } = await startEdge(t);
  let reached = 0;
  const count = (_request: unknown, response: { end(text: string): void }): void => {
    reached += 1;
    response.end('reached');
  };
  await startGuest(t, '127.0.0.30', count, 49983);
  const other = await startGuest(t, '127.0.0.30', count);
  routes.publish(routeTo('127.0.0.30'));
  const reply = await ask(edge, { host: '49983-iguest.atoll.test', path: '//init?x=1', method: 'POST', body: '{}' });
  assert.equal(reply.status, 404);
  assert.deepEqual(JSON.parse(reply.body), {
    path: '//init',
    message: 'This path is reserved for the control plane',
    code: 404,
  });
  const absolute = await sendRaw(
    edge,
    'POST http://49983-iguest.atoll.test/init HTTP/1.1\r\nHost: 49983-iguest.atoll.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  assert.match(absolute, /^HTTP\/1.1 404 /);
  const upgrade = await sendRaw(
    edge,
    'GET /logs HTTP/1.1\r\nHost: 49983-iguest.atoll.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  assert.match(upgrade, /^HTTP\/1.1 404 /);
  assert.equal(reached, 0);
  assert.equal((await ask(edge, { host: `${other}-iguest.atoll.test`, path: '/init' })).body, 'reached');
});

test('a private sandbox asks for its traffic token on every port but that of envd', async (t) => {
  const { edge, routes } = await startEdge(t);
  const seen: unknown[] = [];
  const port = await startGuest(t, '127.0.0.31', (request, response) => {
    seen.push(request.headers['e2b-traffic-access-token']);
    response.end('private page');
  });
  await startGuest(t, '127.0.0.31', (_request, response) => response.end('envd'), 49983);
  routes.publish(routeTo('127.0.0.31', { allowPublicTraffic: false, trafficAccessToken: 'let-me-in' }));
  const host = `${port}-iguest.atoll.test`;

  const missing = await ask(edge, { host });
  assert.equal(missing.status, 403);
  assert.match(JSON.parse(missing.body).message, /secured with traffic access token.*header.*missing/i);
  const wrong = await ask(edge, { host, headers: { 'e2b-traffic-access-token': 'guess' } });
  assert.equal(wrong.status, 403);
  assert.match(JSON.parse(wrong.body).message, /token is invalid/);
  assert.equal(JSON.parse(wrong.body).sandboxId, 'iguest');
  const right = await ask(edge, { host, headers: { 'E2B-Traffic-Access-Token': 'let-me-in' } });
  assert.equal(right.body, 'private page');
  assert.deepEqual(seen, [undefined], 'the guest does not get to see the token');
  assert.equal((await ask(edge, { host: '49983-iguest.atoll.test' })).body, 'envd');
});

test('a sandbox that is private but has no token lets nobody in', async (t) => {
  const { edge, routes } = await startEdge(t);
  routes.publish(routeTo('127.0.0.31', { allowPublicTraffic: false }));
  const headers = { 'e2b-traffic-access-token': 'anything' };
  assert.equal((await ask(edge, { host: '80-iguest.atoll.test', headers })).status, 403);
});

test('a deny rule of network.ports closes a port for clients, and wins over an allow rule', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.32', (_request, response) => response.end('open'));
  const host = `${port}-iguest.atoll.test`;
  routes.publish(routeTo('127.0.0.32', { ports: [{ port, protocol: 'udp', access: 'deny' }] }));
  assert.equal((await ask(edge, { host })).body, 'open', 'a rule for UDP says nothing about HTTP');
  routes.publish(
    routeTo('127.0.0.32', {
      ports: [
        { port, protocol: 'tcp', access: 'allow' },
        { port, protocol: 'tcp', access: 'deny' },
      ],
    }),
  );
  const denied = await ask(edge, { host });
  assert.equal(denied.status, 403);
  assert.match(JSON.parse(denied.body).message, new RegExp(`Port ${port} .*denied`));
});

test('tokens and keys go no further than to those who need them', async (t) => {
  const { edge, routes } = await startEdge(t);
  const listener = (request: { headers: object }, response: { end(text: string): void }): void =>
    response.end(JSON.stringify(request.headers));
  const web = await startGuest(t, '127.0.0.33', listener);
  await startGuest(t, '127.0.0.33', listener, 49983);
  await startGuest(t, '127.0.0.33', listener, 49999);
  routes.publish(routeTo('127.0.0.33', { envdAccessToken: 'envd-secret' }));
  const get = async (port: number, headers: Record<string, string>): Promise<Record<string, string>> =>
    JSON.parse((await ask(edge, { host: `${port}-iguest.atoll.test`, headers })).body);

  const ours = {
    'X-Access-Token': 'envd-secret',
    'X-API-Key': 'e2b_0123abcd',
    Authorization: 'Bearer sk_e2b_0123abcd',
  };
  const atWeb = await get(web, ours);
  assert.deepEqual(
    [atWeb['x-access-token'], atWeb['x-api-key'], atWeb.authorization],
    [undefined, undefined, undefined],
  );
  const atEnvd = await get(49983, { ...ours, Authorization: 'Basic dXNlcjo=' });
  assert.deepEqual(
    [atEnvd['x-access-token'], atEnvd['x-api-key'], atEnvd.authorization],
    ['envd-secret', undefined, 'Basic dXNlcjo='],
  );
  assert.equal((await get(49999, ours))['x-access-token'], 'envd-secret', 'the code interpreter shows it to envd');

  const theirs = { 'X-Access-Token': 'of-their-app', 'X-API-Key': 'their-key', Authorization: 'Bearer their-token' };
  const kept = await get(web, theirs);
  assert.deepEqual(
    [kept['x-access-token'], kept['x-api-key'], kept.authorization],
    ['of-their-app', 'their-key', 'Bearer their-token'],
  );
});

test('a connection limit is answered 429 and ends with the requests that used it', async (t) => {
  const { edge, routes } = await startEdge(t, { limits: { connectionsPerSandbox: 1 } });
  const waiting: (() => void)[] = [];
  const port = await startGuest(t, '127.0.0.34', (_request, response) => {
    waiting.push(() => response.end('done'));
  });
  routes.publish(routeTo('127.0.0.34'));
  const host = `${port}-iguest.atoll.test`;
  const first = ask(edge, { host });
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = await ask(edge, { host });
  assert.equal(second.status, 429);
  assert.equal(JSON.parse(second.body).connectionLimit, 1);
  assert.equal(second.headers['retry-after'], '1');
  waiting[0]?.();
  assert.equal((await first).status, 200);
  const third = ask(edge, { host });
  while (waiting.length === 1) await new Promise((resolve) => setImmediate(resolve));
  waiting[1]?.();
  assert.equal((await third).status, 200);
});
