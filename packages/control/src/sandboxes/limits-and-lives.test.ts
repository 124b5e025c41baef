import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AtollError } from '@atoll/contract';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

/** Waits until `done` holds; fails after `ms`. */
async function eventually(done: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  for (const until = Date.now() + ms; !(await done()); await sleep(5)) assert.ok(Date.now() < until, 'it never came');
}

async function withControl(
  options: Parameters<typeof openTestControl>[0],
  use: (atoll: TestControl) => Promise<void>,
): Promise<void> {
  const atoll = await openTestControl(options);
  try {
    await use(atoll);
  } finally {
    await atoll.close();
  }
}

const states = async (atoll: TestControl, id: string) => (await atoll.store.sandboxes.get(id))?.state;

test('a deadline kills on time, withdraws the route and is told as the reason', async () => {
  await withControl({}, async (atoll) => {
    const id = await atoll.create({ timeout: 1 });
    const endAt = (await atoll.store.sandboxes.get(id))?.endAt ?? 0;
    await eventually(() => atoll.node.kills.length > 0);
    assert.ok(Date.now() >= endAt && Date.now() - endAt < 1500, `${Date.now() - endAt} ms late`);
    assert.deepEqual(atoll.node.kills, [{ sandboxId: id, reason: 'timeout' }]);
    assert.equal(atoll.routes.get(id), undefined);
    await eventually(async () => (await states(atoll, id)) === 'gone');
    assert.match((await atoll.ask(`GET /sandboxes/${id}`)).json.message, /because its time was over/);
  });
});

test('a timeout of 0 ends a sandbox at once', async () => {
  await withControl({}, async (atoll) => {
    const id = await atoll.create();
    assert.equal((await atoll.ask(`POST /sandboxes/${id}/timeout`, { timeout: 0 })).status, 204);
    await eventually(async () => (await states(atoll, id)) === 'gone');
  });
});

test('a deadline that was extended does not kill, and one that passed while control was down kills at its start', async () => {
  await withControl({}, async (atoll) => {
    const kept = await atoll.create({ timeout: 1 });
    const overdue = await atoll.create({ timeout: 1 });
    await atoll.ask(`POST /v2/sandboxes/${kept}/connect`, { timeout: 600 });
    await atoll.control.close();
    await sleep(1100);
    assert.equal(atoll.node.kills.length, 0);
    await atoll.restart();
    await eventually(async () => (await states(atoll, overdue)) === 'gone');
    assert.deepEqual(atoll.node.kills, [{ sandboxId: overdue, reason: 'timeout' }]);
    assert.equal((await atoll.ask(`GET /sandboxes/${kept}`)).status, 200);
    assert.equal(atoll.routes.get(kept)?.address, '127.0.0.1');
  });
});

test('a restart repairs rows by what really runs', async () => {
  await withControl({}, async (atoll) => {
    const kept = await atoll.create();
    const lost = await atoll.create();
    const killedHalfway = await atoll.create();
    const orphan = await atoll.create();
    const filled = await atoll.create();
    await atoll.control.close();
    atoll.node.running.delete(lost);
    atoll.node.running.delete(filled);
    atoll.node.deaths.set(filled, { sandboxId: filled, reason: 'disk_full', detail: 'its disk was full' });
    await atoll.store.sandboxes.transition(killedHalfway, 'killing');
    await atoll.store.sandboxes.transition(orphan, 'failed', { end: { at: 1, reason: 'crashed', detail: '' } });
    const row = await atoll.store.sandboxes.get(kept);
    assert.ok(row);
    const half = {
      ...row,
      sandboxId: 'ihalfstarted',
      state: 'starting' as const,
      idempotency: { key: 'k', hash: 'h' },
    };
    assert.equal(await atoll.store.sandboxes.insert(half, 100), 'inserted');
    await atoll.restart();

    assert.equal(await states(atoll, kept), 'running');
    assert.equal(await states(atoll, lost), 'failed');
    assert.match((await atoll.ask(`GET /sandboxes/${lost}`)).json.message, /because its host lost it/);
    assert.equal((await atoll.store.sandboxes.get(filled))?.end?.reason, 'disk_full', 'the node knows why');
    assert.equal(await states(atoll, killedHalfway), 'gone');
    assert.equal(await states(atoll, 'ihalfstarted'), 'failed');
    assert.equal((await atoll.store.sandboxes.get('ihalfstarted'))?.idempotency, undefined);
    assert.deepEqual([...atoll.node.running.keys()], [kept]);
    assert.deepEqual(
      [...atoll.routes.all()].map((route) => route.sandboxId),
      [kept],
    );
  });
});

test('a key and the tokens of sandboxes stay the same over a restart, and a deleted first key stays deleted', async () => {
  await withControl({}, async (atoll) => {
    const id = await atoll.create({ network: { allowPublicTraffic: false } });
    const first = (await atoll.ask(`POST /v2/sandboxes/${id}/connect`)).json;
    await atoll.restart();
    assert.deepEqual((await atoll.ask(`POST /v2/sandboxes/${id}/connect`)).json, first);
    const bearer = { 'X-API-Key': '', Authorization: `Bearer ${atoll.control.seed.accessToken}` };
    const [key] = (await atoll.ask('GET /api-keys', undefined, bearer)).json;
    await atoll.ask(`DELETE /api-keys/${key.id}`, undefined, bearer);
    await atoll.restart();
    assert.equal((await atoll.ask('GET /v2/sandboxes')).status, 401);
  });
});

test('a sandbox that dies by itself is told with its cause', async () => {
  await withControl({}, async (atoll) => {
    const id = await atoll.create();
    atoll.node.lose(id, 'oom', 'it used 512 MiB');
    await eventually(async () => (await states(atoll, id)) === 'failed');
    assert.equal(atoll.routes.get(id), undefined);
    const { status, json } = await atoll.ask(`GET /sandboxes/${id}`);
    assert.equal(status, 404);
    assert.match(json.message, /because it ran out of memory \(it used 512 MiB\)/);
    assert.deepEqual((await atoll.ask('GET /v2/sandboxes')).json, []);
  });
});

test('a sandbox whose start fails leaves nothing, and the caller reads the cause', async () => {
  await withControl({}, async (atoll) => {
    atoll.node.beforeStart = async () => {
      throw new AtollError('sandbox_capacity_unavailable', 'no memory left');
    };
    const full = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
    assert.equal(full.status, 503);
    assert.equal(full.headers.get('should-retry'), 'true');
    assert.ok(Number(full.headers.get('retry-after')) >= 1);
    atoll.node.beforeStart = async () => {
      throw new Error('secret detail');
    };
    const broken = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
    assert.equal(broken.status, 500);
    assert.equal(broken.json.error_code, 'sandbox_create_failed');
    assert.ok(!broken.text.includes('secret detail'));
    assert.equal(broken.headers.get('should-retry'), 'false');
    assert.equal((await atoll.store.sandboxes.alive()).length, 0);
    assert.equal(atoll.node.kills.length, 2);
  });
});

test('a start that takes too long is undone', async () => {
  await withControl({ limits: { startTimeoutMs: 50 } }, async (atoll) => {
    atoll.node.beforeStart = async (_spec, signal) => {
      await once(signal, 'abort');
    };
    const { status, json } = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
    assert.equal(status, 504);
    assert.equal(json.error_code, 'sandbox_placement_timeout');
    assert.equal((await atoll.store.sandboxes.alive()).length, 0);
  });
});

test('a client that goes away in the middle of a create leaves no sandbox', async () => {
  await withControl({}, async (atoll) => {
    const started = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    atoll.node.beforeStart = async (_spec, signal) => {
      started.resolve();
      await once(signal, 'abort');
      aborted.resolve();
    };
    const request = http.request(`${atoll.control.url}/v2/sandboxes`, {
      method: 'POST',
      headers: { 'X-API-Key': atoll.control.seed.apiKey },
    });
    request.on('error', () => {});
    request.end('{"templateID":"base"}');
    await started.promise;
    request.destroy();
    await aborted.promise;
    await eventually(async () => (await atoll.store.sandboxes.alive()).length === 0);
    assert.equal(atoll.node.running.size, 0);
  });
});

test('closing control ends creates under way and leaves no half sandbox', async () => {
  await withControl({}, async (atoll) => {
    const started = Promise.withResolvers<void>();
    atoll.node.beforeStart = async (_spec, signal) => {
      started.resolve();
      await once(signal, 'abort');
    };
    const asked = atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
    await started.promise;
    await atoll.control.close();
    const { status, headers } = await asked;
    assert.equal(status, 503);
    assert.equal(headers.get('should-retry'), 'true');
    assert.equal((await atoll.store.sandboxes.alive()).length, 0);
  });
});

test('a kill that the node cannot carry out is not forgotten', async () => {
  await withControl({}, async (atoll) => {
    const id = await atoll.create();
    atoll.node.beforeKill = async () => {
      throw new Error('busy');
    };
    assert.equal((await atoll.ask(`DELETE /sandboxes/${id}`)).status, 500);
    assert.equal((await atoll.ask(`GET /sandboxes/${id}`)).status, 404);
    assert.equal(await states(atoll, id), 'killing');
    atoll.node.beforeKill = async () => {};
    await atoll.restart();
    assert.equal(await states(atoll, id), 'gone');
  });
});

test('creates beyond the limit of a team are refused without a promise that waiting helps', async () => {
  await withControl({ limits: { maxSandboxesPerTeam: 3 } }, async (atoll) => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => atoll.ask('POST /v2/sandboxes', { templateID: 'base' })),
    );
    const made = answers.filter((answer) => answer.status === 201);
    const refused = answers.filter((answer) => answer.status === 429);
    assert.deepEqual([made.length, refused.length], [3, 7]);
    assert.equal(refused[0]?.headers.get('retry-after'), null);
    assert.equal(refused[0]?.headers.get('should-retry'), 'false');
    assert.match(refused[0]?.json.message, /maximum number of concurrent sandboxes/);
    await atoll.ask(`DELETE /sandboxes/${made[0]?.json.sandboxID}`);
    assert.equal((await atoll.ask('POST /v2/sandboxes', { templateID: 'base' })).status, 201);
  });
});

test('a storm of creates is slowed down with a time to wait', async () => {
  await withControl({ limits: { createRate: { perSecond: 1, burst: 5 } } }, async (atoll) => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        atoll.ask(index % 2 ? 'POST /v2/sandboxes' : 'POST /sandboxes', { templateID: 'base' }),
      ),
    );
    assert.equal(answers.filter((answer) => answer.status === 201).length, 5);
    const refused = answers.find((answer) => answer.status === 429);
    assert.match(refused?.headers.get('retry-after') ?? '', /^[1-9][0-9]*$/);
    assert.equal(refused?.headers.get('should-retry'), 'true');
    const allowed = answers.find((answer) => answer.status === 201);
    assert.equal(allowed?.headers.get('ratelimit-limit'), '5');
    assert.ok(allowed?.headers.get('ratelimit-remaining'));
  });
});

test('the same Idempotency-Key gives the same sandbox, also while the first is being made', async () => {
  await withControl({}, async (atoll) => {
    const body = { templateID: 'base', metadata: { a: '1', b: '2' } };
    const key = { 'Idempotency-Key': 'order-1' };
    const both = await Promise.all([
      atoll.ask('POST /v2/sandboxes', body, key),
      atoll.ask('POST /v2/sandboxes', { metadata: { b: '2', a: '1' }, templateID: 'base' }, key),
    ]);
    const later = await atoll.ask('POST /v2/sandboxes', body, key);
    assert.equal(both[0].status, 201);
    assert.deepEqual(both[1].json, both[0].json);
    assert.deepEqual(later.json, both[0].json);
    assert.equal(atoll.node.running.size, 1);
    const other = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' }, key);
    assert.equal(other.status, 422);
    assert.equal(other.json.error_code, 'idempotency_request_mismatch');
    await atoll.restart();
    assert.deepEqual((await atoll.ask('POST /v2/sandboxes', body, key)).json, both[0].json);
    assert.equal((await atoll.ask('POST /v2/sandboxes', body, { 'Idempotency-Key': 'not valid!' })).status, 400);
  });
});

test('an Idempotency-Key whose create failed may be used again', async () => {
  await withControl({}, async (atoll) => {
    atoll.node.beforeStart = async () => {
      throw new Error('not today');
    };
    const ask = () => atoll.ask('POST /sandboxes', { templateID: 'base' }, { 'Idempotency-Key': 'again' });
    assert.equal((await ask()).status, 500);
    atoll.node.beforeStart = async () => {};
    assert.equal((await ask()).status, 201);
  });
});

test('with always_secure the first create route gives a token too', async () => {
  await withControl({ alwaysSecure: true }, async (atoll) => {
    const { json } = await atoll.ask('POST /sandboxes', { templateID: 'base' });
    assert.ok(json.envdAccessToken);
  });
});

test('a configured domain is in every answer that has one', async () => {
  await withControl({ domain: 'sandboxes.example' }, async (atoll) => {
    const { json } = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
    assert.equal(json.domain, 'sandboxes.example');
    assert.equal((await atoll.ask(`GET /sandboxes/${json.sandboxID}`)).json.domain, 'sandboxes.example');
  });
});

test('a control that cannot listen says so and leaves nothing behind', async () => {
  await withControl({}, async (atoll) => {
    const port = Number(new URL(atoll.control.url).port);
    await assert.rejects(openTestControl({ port }), /EADDRINUSE/);
  });
});
