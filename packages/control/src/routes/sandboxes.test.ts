import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CLIENT_ID, ENVD_VERSION } from '@atoll/contract';
import { BASE_BUILD } from '../testing/recording-node.ts';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

test('the body that the newest Python client sends makes a secured sandbox with a life of 300 s', async () => {
  const before = Date.now();
  const { status, json } = await atoll.ask('POST /v2/sandboxes', { templateID: 'base', metadata: {}, envVars: {} });
  assert.equal(status, 201);
  assert.equal(json.templateID, BASE_BUILD.templateId);
  assert.equal(json.alias, 'base');
  assert.equal(json.clientID, CLIENT_ID);
  assert.equal(json.envdVersion, ENVD_VERSION);
  assert.equal(json.domain, null);
  assert.match(json.envdAccessToken, /^[0-9a-f]{64}$/);
  assert.ok(!('trafficAccessToken' in json));
  const detail = (await atoll.ask(`GET /sandboxes/${json.sandboxID}`)).json;
  assert.equal(detail.state, 'running');
  assert.equal(detail.envdAccessToken, json.envdAccessToken);
  assert.equal(detail.allowInternetAccess, null);
  assert.deepEqual(detail.lifecycle, { autoResume: false, onTimeout: 'kill' });
  assert.ok(!('metadata' in detail) && !('network' in detail));
  const life = Date.parse(detail.endAt) - before;
  assert.ok(life >= 300_000 && life < 310_000, `${life}`);
  assert.equal(atoll.node.running.get(json.sandboxID)?.spec.envdAccessToken, json.envdAccessToken);
  assert.equal(atoll.routes.get(json.sandboxID)?.envdAccessToken, json.envdAccessToken);
});

test('the first create route lives 15 s and gives a token only when secure is asked for', async () => {
  const plain = await atoll.ask('POST /sandboxes', { templateID: 'base' });
  assert.equal(plain.status, 201);
  assert.ok(!('envdAccessToken' in plain.json));
  assert.equal(atoll.node.running.get(plain.json.sandboxID)?.spec.envdAccessToken, undefined);
  const detail = (await atoll.ask(`GET /sandboxes/${plain.json.sandboxID}`)).json;
  assert.equal(Date.parse(detail.endAt) - Date.parse(detail.startedAt), 15_000);
  const secured = await atoll.ask('POST /sandboxes', { templateID: 'base', secure: true });
  assert.ok(secured.json.envdAccessToken);
});

test('what older clients send by default is accepted', async () => {
  const { status } = await atoll.ask('POST /sandboxes', {
    templateID: 'base',
    timeout: 300,
    secure: true,
    autoPause: false,
    autoResume: { enabled: false },
    allow_internet_access: true,
    metadata: null,
    envVars: null,
    mcp: null,
    network: null,
    volumeMounts: [],
    iam: { tokens: {} },
    someFieldOfTomorrow: { a: 1 },
  });
  assert.equal(status, 201);
});

test('metadata, environment and sizes asked for reach the node and the details', async () => {
  const id = await atoll.create({
    metadata: { user: 'ada' },
    envVars: { A: '1' },
    cpuCount: 1,
    memoryMB: 256,
    diskSizeMB: 1024,
  });
  const detail = (await atoll.ask(`GET /sandboxes/${id}`)).json;
  assert.deepEqual(detail.metadata, { user: 'ada' });
  assert.deepEqual([detail.cpuCount, detail.memoryMB, detail.diskSizeMB], [1, 256, 1024]);
  const spec = atoll.node.running.get(id)?.spec;
  assert.deepEqual(spec?.envVars, { A: '1' });
  assert.deepEqual(spec?.resources, { cpuCount: 1, memoryMiB: 256, diskMiB: 1024 });
});

test('a sandbox without public traffic has a traffic token, the same at every connect', async () => {
  const created = await atoll.ask('POST /v2/sandboxes', {
    templateID: 'base',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the wire's placeholder
    network: { allowPublicTraffic: false, maskRequestHost: 'localhost:${PORT}', httpsPorts: [8443] },
  });
  const { sandboxID, trafficAccessToken } = created.json;
  assert.match(trafficAccessToken, /^[0-9a-f]{64}$/);
  assert.notEqual(trafficAccessToken, created.json.envdAccessToken);
  const connected = await atoll.ask(`POST /v2/sandboxes/${sandboxID}/connect`);
  assert.equal(connected.status, 200);
  assert.equal(connected.json.trafficAccessToken, trafficAccessToken);
  const route = atoll.routes.get(sandboxID);
  assert.equal(route?.trafficAccessToken, trafficAccessToken);
  assert.equal(route?.allowPublicTraffic, false);
  assert.deepEqual(route?.httpsPorts, [8443]);
  const refused = await atoll.ask('POST /sandboxes', { templateID: 'base', network: { allowPublicTraffic: false } });
  assert.equal(refused.status, 400);
});

test('a killed sandbox is gone for every later call, which says why', async () => {
  const id = await atoll.create();
  assert.equal((await atoll.ask(`DELETE /sandboxes/${id}`)).status, 204);
  assert.equal(atoll.routes.get(id), undefined);
  assert.deepEqual(atoll.node.kills.at(-1), { sandboxId: id, reason: 'killed' });
  for (const line of [
    `DELETE /sandboxes/${id}`,
    `GET /sandboxes/${id}`,
    `POST /v2/sandboxes/${id}/connect`,
    `GET /sandboxes/${id}/metrics`,
    `GET /sandboxes/${id}/logs`,
    `POST /sandboxes/${id}/refreshes`,
    `POST /sandboxes/${id}/pause`,
  ]) {
    const { status, json } = await atoll.ask(line);
    assert.equal(status, 404, line);
    assert.match(json.message, /doesn't exist or you don't have access to it: it ended at .* because it was killed/);
  }
});

test('of two kills at once one succeeds and the other finds nothing', async () => {
  const id = await atoll.create();
  const answers = await Promise.all([atoll.ask(`DELETE /sandboxes/${id}`), atoll.ask(`DELETE /sandboxes/${id}`)]);
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [204, 404]);
  assert.equal(atoll.node.kills.filter((kill) => kill.sandboxId === id).length, 1);
});

test('connect extends a life and never shortens it', async () => {
  const id = await atoll.create({ timeout: 1000 });
  const end = async () => Date.parse((await atoll.ask(`GET /sandboxes/${id}`)).json.endAt);
  const first = await end();
  assert.equal((await atoll.ask(`POST /v2/sandboxes/${id}/connect`, { timeout: 10 })).status, 200);
  assert.equal(await end(), first);
  await atoll.ask(`POST /sandboxes/${id}/connect`, { timeout: 2000 });
  assert.ok((await end()) > first + 900_000);
  assert.equal((await atoll.ask(`POST /v2/sandboxes/${id}/connect`, { timeout: 90_000 })).status, 400);
});

test('setting the timeout may shorten a life, refreshing may not', async () => {
  const id = await atoll.create({ timeout: 1000 });
  const left = async () => Date.parse((await atoll.ask(`GET /sandboxes/${id}`)).json.endAt) - Date.now();
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/timeout`, { timeout: 100 })).status, 204);
  assert.ok((await left()) <= 100_000);
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/refreshes`)).status, 204);
  assert.ok((await left()) > 90_000);
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/refreshes`, { duration: 500 })).status, 204);
  assert.ok((await left()) > 490_000);
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/refreshes`, { duration: 3601 })).status, 400);
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/timeout`, {})).status, 400);
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/timeout`, { timeout: 1_000_000 })).status, 204);
  assert.ok((await left()) <= 24 * 3600 * 1000);
});

test('ids with a client id behind them are understood, and impossible ones are refused as invalid', async () => {
  const id = await atoll.create();
  assert.equal((await atoll.ask(`GET /sandboxes/${id}-${CLIENT_ID}`)).status, 200);
  for (const bad of [`${id}-a-b`, 'UPPER', 'a.b', '%00', 'a%2Fb']) {
    const { status, json } = await atoll.ask(`GET /sandboxes/${bad}`);
    assert.equal(status, 400, bad);
    assert.match(json.message, /Invalid sandbox ID/);
  }
  assert.equal((await atoll.ask('GET /sandboxes/i00000000000000000000')).status, 404);
});

test('resuming a running sandbox is a conflict', async () => {
  const id = await atoll.create();
  assert.equal((await atoll.ask(`POST /sandboxes/${id}/resume`)).status, 409);
});

test('unknown templates and tags are not found, and impossible names are refused', async () => {
  const create = (templateID: string) => atoll.ask('POST /v2/sandboxes', { templateID });
  assert.equal((await create('nothing-like-it')).status, 404);
  const tag = await create('base:v9');
  assert.equal(tag.status, 404);
  assert.equal(tag.json.message, "tag 'v9' does not exist for template 'base'");
  assert.equal((await create('no such name!')).status, 400);
  for (const good of ['base:default', ' BASE ', 'e2bdev/base', BASE_BUILD.templateId]) {
    assert.equal((await create(good)).status, 201, good);
  }
});
