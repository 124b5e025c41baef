import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SandboxMetric } from '@atoll/contract';
import { BASE_BUILD } from '../testing/recording-node.ts';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

function sample(timestamp: number): SandboxMetric {
  return { timestamp, cpuCount: 2, cpuUsedPct: 1.5, memUsed: 1, memTotal: 2, memCache: 3, diskUsed: 4, diskTotal: 5 };
}

test('metrics have all nine fields, and their range is taken in seconds or ISO 8601', async () => {
  const id = await atoll.create();
  const start = Date.UTC(2026, 5, 1);
  atoll.node.samples = [sample(start), sample(start + 5000), sample(start + 10_000)];
  for (const query of [
    `start=${start / 1000}&end=${start / 1000 + 5}`,
    `start=${new Date(start).toISOString()}&end=${new Date(start + 5000).toISOString()}`,
  ]) {
    const { status, json } = await atoll.ask(`GET /sandboxes/${id}/metrics?${query}`);
    assert.equal(status, 200);
    assert.equal(json.length, 2);
    assert.equal(json[0].timestamp, '2026-06-01T00:00:00.000Z');
    assert.equal(json[0].timestampUnix, start / 1000);
    assert.equal(Object.keys(json[0]).length, 9);
  }
  assert.equal((await atoll.ask(`GET /sandboxes/${id}/metrics?start=20&end=10`)).status, 400);
  assert.equal((await atoll.ask(`GET /sandboxes/${id}/metrics?start=soon`)).status, 400);
  const before = (await atoll.store.sandboxes.get(id))?.startedAt;
  await atoll.ask(`GET /sandboxes/${id}/metrics`);
  assert.equal(atoll.node.metricsAsked.at(-1)?.start, before);
});

test('over a long range samples are thinned', async () => {
  const id = await atoll.create();
  const start = Date.UTC(2026, 5, 1);
  atoll.node.samples = Array.from({ length: 100 }, (_, index) => sample(start + index * 5000));
  const { json } = await atoll.ask(`GET /sandboxes/${id}/metrics?start=${start / 1000}&end=${start / 1000 + 2 * 3600}`);
  assert.equal(json.length, 17);
  atoll.node.samples = [];
});

test('the newest metrics of many are given by id', async () => {
  const [one, other] = [await atoll.create(), await atoll.create()];
  atoll.node.samples = [sample(1000)];
  const { json } = await atoll.ask(`GET /sandboxes/metrics?sandbox_ids=${one},${other},i000`);
  assert.deepEqual(Object.keys(json.sandboxes).sort(), [one, other].sort());
  assert.equal((await atoll.ask('GET /sandboxes/metrics')).status, 400);
  assert.equal(
    (
      await atoll.ask(
        `GET /sandboxes/metrics?sandbox_ids=${'i1,'.repeat(3)}${Array.from({ length: 101 }, (_, n) => `i${n}`)}`,
      )
    ).status,
    400,
  );
  atoll.node.samples = [];
});

test('each line of the first logs route is a JSON object with level, logger and message', async () => {
  const id = await atoll.create();
  atoll.node.logEntries = [
    {
      timestamp: 1_700_000_000_123,
      level: 'warn',
      logger: 'process',
      message: 'a "quoted" line',
      fields: { pid: '7' },
    },
  ];
  const { json } = await atoll.ask(`GET /sandboxes/${id}/logs?start=1700000000000&limit=5`);
  assert.equal(json.logs[0].timestamp, '2023-11-14T22:13:20.123Z');
  assert.deepEqual(JSON.parse(json.logs[0].line), {
    pid: '7',
    level: 'warn',
    logger: 'process',
    message: 'a "quoted" line',
  });
  assert.equal(json.logEntries[0].message, 'a "quoted" line');
  assert.deepEqual(atoll.node.logQueries.at(-1), { cursor: 1_700_000_000_000, limit: 5, direction: 'forward' });
  await atoll.ask(`GET /sandboxes/${id}/logs?start=2023-11-14T22:13:20.000Z`);
  assert.deepEqual(atoll.node.logQueries.at(-1), { cursor: 1_700_000_000_000, limit: 1000, direction: 'forward' });
});

test('the second logs route passes its filters on and answers backward by default', async () => {
  const id = await atoll.create();
  await atoll.ask(`GET /v2/sandboxes/${id}/logs`);
  assert.deepEqual(atoll.node.logQueries.at(-1), { limit: 1000, direction: 'backward' });
  await atoll.ask(`GET /v2/sandboxes/${id}/logs?cursor=5&limit=0&direction=forward&level=error&search=x%20y`);
  assert.deepEqual(atoll.node.logQueries.at(-1), {
    cursor: 5,
    limit: 0,
    direction: 'forward',
    minimumLevel: 'error',
    search: 'x y',
  });
  for (const query of ['level=loud', 'direction=up', 'limit=1001', `search=${'a'.repeat(257)}`]) {
    assert.equal((await atoll.ask(`GET /v2/sandboxes/${id}/logs?${query}`)).status, 400, query);
  }
});

test('logs of an ended sandbox are given as long as the node has them', async () => {
  const id = await atoll.create();
  await atoll.ask(`DELETE /sandboxes/${id}`);
  assert.equal((await atoll.ask(`GET /sandboxes/${id}/logs`)).status, 200);
  atoll.node.logEntries = [];
  assert.equal((await atoll.ask(`GET /sandboxes/${id}/logs`)).status, 404);
});

test('the network of a running sandbox is replaced on the node and shown', async () => {
  const id = await atoll.create({ network: { denyOut: ['1.1.1.1'], httpsPorts: [443] } });
  const update = await atoll.ask(`PUT /sandboxes/${id}/network`, {
    allowOut: ['8.8.8.8'],
    allow_internet_access: false,
    ports: [{ port: 25, protocol: 'tcp', access: 'deny', description: 'no mail' }],
  });
  assert.equal(update.status, 204);
  assert.deepEqual(atoll.node.egressUpdates.at(-1)?.egress, {
    allowOut: ['8.8.8.8/32'],
    denyOut: ['0.0.0.0/0'],
    ports: [{ port: 25, protocol: 'tcp', access: 'deny', description: 'no mail' }],
  });
  const detail = (await atoll.ask(`GET /sandboxes/${id}`)).json;
  assert.equal(detail.allowInternetAccess, false);
  assert.deepEqual(detail.network, {
    allowOut: ['8.8.8.8/32'],
    httpsPorts: [443],
    ports: [{ port: 25, protocol: 'tcp', access: 'deny', description: 'no mail' }],
  });
  assert.deepEqual(atoll.routes.get(id)?.ports.length, 1);
  assert.equal((await atoll.ask(`PUT /sandboxes/${id}/network`, { denyOut: ['example.com'] })).status, 400);
  assert.equal((await atoll.ask(`PUT /sandboxes/${id}/network`)).status, 204);
});

test('the built-in templates are listed, found by every name, and counted when used', async () => {
  for (const path of ['/templates', '/v2/templates', '/default-templates']) {
    const { status, json } = await atoll.ask(`GET ${path}`);
    assert.equal(status, 200);
    assert.deepEqual(
      json.map((one: { templateID: string }) => one.templateID),
      [BASE_BUILD.templateId],
    );
    assert.deepEqual(json[0].aliases, ['base']);
    assert.ok(json[0].spawnCount > 0 && json[0].lastSpawnedAt);
  }
  for (const name of ['base', 'e2bdev%2Fbase', BASE_BUILD.templateId]) {
    const { status, json } = await atoll.ask(`GET /templates/aliases/${name}`);
    assert.equal(status, 200, name);
    assert.deepEqual(json, { templateID: BASE_BUILD.templateId, public: true });
  }
  assert.equal((await atoll.ask('GET /templates/aliases/free')).status, 404);
  const one = await atoll.ask(`GET /templates/${BASE_BUILD.templateId}`);
  assert.equal(one.json.builds[0].buildID, BASE_BUILD.buildId);
  assert.equal((await atoll.ask('GET /templates/unknown')).status, 404);
});

test('what a team used is told over time', async () => {
  const teamId = atoll.control.seed.teamId;
  await atoll.create();
  const { status, json } = await atoll.ask(`GET /teams/${teamId}/metrics?start=${Math.floor(Date.now() / 1000) - 60}`);
  assert.equal(status, 200);
  assert.ok(json.length > 5);
  const most = await atoll.ask(`GET /teams/${teamId}/metrics/max?metric=concurrent_sandboxes`);
  assert.ok(most.json.value >= 1);
  const rate = await atoll.ask(`GET /teams/${teamId}/metrics/max?metric=sandbox_start_rate`);
  assert.equal(rate.status, 200);
  assert.equal((await atoll.ask(`GET /teams/${teamId}/metrics/max?metric=other`)).status, 400);
  assert.equal((await atoll.ask(`GET /teams/${teamId}/metrics/max`)).status, 400);
});
