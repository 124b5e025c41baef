import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BuildSummary, SandboxDied } from '@atoll/contract';
import { startChild } from '../testing/crash.ts';
import { runInGuest } from '../testing/guest-command.ts';
import { findLeftovers, findNetwork } from '../testing/leftovers.ts';
import {
  bakeTestBuild,
  eventually,
  newTestPlace,
  openTestNode,
  removeTestPlace,
  type TestPlace,
} from '../testing/test-node.ts';

describe('a node whose process was killed', () => {
  let place: TestPlace;
  let build: BuildSummary;

  before(async () => {
    place = await newTestPlace();
    const test = await openTestNode(place);
    build = await bakeTestBuild(test.node);
    await test.close({ endSandboxes: false });
  });

  after(async () => {
    const test = await openTestNode(place);
    await test.close({ endSandboxes: true });
    assert.deepEqual(await findLeftovers(place), {});
    assert.deepEqual(await findNetwork(place.instance), []);
    await removeTestPlace(place);
  });

  it('finds its sandboxes running on, with what runs inside, their logs and their samples', async () => {
    const first = await openTestNode(place, { metricsIntervalMs: 100 });
    const { sandboxId, address, lifecycleId } = await first.create(build, { envdAccessToken: 'secret' });
    await runInGuest(address, '(while :; do date +%s%N > /ticks; sleep 0.1; done) >/dev/null 2>&1 &', 'secret');
    await eventually('there is a sample', async () => (await first.node.latestMetrics([sandboxId])).size > 0);
    const before = await runInGuest(address, 'cat /ticks', 'secret');
    await first.close({ endSandboxes: false });

    const second = await openTestNode(place, { metricsIntervalMs: 100 });
    try {
      const [entry] = await second.node.inventory();
      assert.deepEqual([entry?.sandboxId, entry?.address, entry?.lifecycleId], [sandboxId, address, lifecycleId]);
      const after = await runInGuest(address, 'sleep 0.3; cat /ticks', 'secret');
      assert.ok(BigInt(after.stdout.trim()) > BigInt(before.stdout.trim()));
      const log = await second.node.logs(sandboxId, { limit: 100, direction: 'forward' });
      assert.equal(log.filter((line) => line.message === 'The sandbox started.').length, 1);
      const unique = new Set(log.map((line) => JSON.stringify(line)));
      assert.equal(unique.size, log.length, 'no line of the guest is taken over twice');
      assert.ok((await second.node.metrics(sandboxId, { start: 0, end: Date.now() })).length > 0);
      await second.node.kill(sandboxId, 'killed');
      assert.deepEqual(await findLeftovers(place), {});
    } finally {
      await second.close({ endSandboxes: true });
    }
  });

  it('hands out a ready guest that an earlier process made', async () => {
    const first = await openTestNode(place, { poolSize: 1, warmAliases: ['minbase'] });
    await eventually('the pool is full', () => first.node.pool().ready === 1);
    await first.close({ endSandboxes: false });
    const second = await openTestNode(place, { poolSize: 1, warmAliases: ['minbase'] });
    try {
      assert.equal(second.node.pool().ready, 1);
      const { sandboxId, address } = await second.create(build);
      assert.equal((await runInGuest(address, 'hostname')).stdout, `${sandboxId}\n`);
      const [started] = await second.node.logs(sandboxId, {
        limit: 1,
        direction: 'backward',
        search: 'The sandbox started',
      });
      assert.equal(started?.fields.from, 'pool');
    } finally {
      await second.close({ endSandboxes: true });
    }
  });

  it('tells of a sandbox that died meanwhile as soon as somebody listens', async () => {
    const first = await openTestNode(place);
    const { sandboxId } = await first.create(build);
    await first.close({ endSandboxes: false });
    for (const line of (await findLeftovers(place)).processes ?? [])
      process.kill(Number(line.split(' ')[0]), 'SIGKILL');
    await eventually('it is dead', async () => (await findLeftovers(place)).processes === undefined);

    const second = await openTestNode(place);
    try {
      const deaths: SandboxDied[] = [];
      second.node.onDeath((death) => deaths.push(death));
      assert.deepEqual(
        deaths.map((death) => [death.sandboxId, death.reason]),
        [[sandboxId, 'crashed']],
      );
      assert.equal((await second.node.deathOf(sandboxId))?.reason, 'crashed');
      assert.deepEqual(await findLeftovers(place), {});
    } finally {
      await second.close({ endSandboxes: true });
    }
  });

  it('keeps what was running and nothing else, whenever it was killed', async () => {
    for (const afterMs of [0, 30, 90, 170, 260]) {
      const child = startChild(place, 'never', 'storm');
      await child.busy();
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      child.kill();
      await child.killedBy();
      const test = await openTestNode(place);
      try {
        const kept = await test.node.inventory();
        for (const { address } of kept) assert.equal((await runInGuest(address, 'echo alive')).stdout, 'alive\n');
        const ids = kept.map((entry) => entry.sandboxId);
        assert.deepEqual(await findLeftovers(place, ids), {}, `after ${afterMs} ms`);
      } finally {
        await test.close({ endSandboxes: true });
      }
      assert.deepEqual(await findLeftovers(place), {});
    }
  });
});
