import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BuildSummary } from '@atoll/contract';
import { runInGuest } from '../testing/guest-command.ts';
import { findLeftovers } from '../testing/leftovers.ts';
import {
  bakeTestBuild,
  eventually,
  newTestPlace,
  openTestNode,
  removeTestPlace,
  type TestNode,
  type TestPlace,
} from '../testing/test-node.ts';

const { signal } = new AbortController();
const POOL = { poolSize: 2, warmAliases: ['minbase'], reservationMs: 300 };

describe('the pool of ready guests', () => {
  let place: TestPlace;
  let test: TestNode;
  let build: BuildSummary;

  before(async () => {
    place = await newTestPlace();
    const first = await openTestNode(place);
    build = await bakeTestBuild(first.node);
    await first.close({ endSandboxes: true });
    test = await openTestNode(place, POOL);
  });

  after(async () => {
    await test.close({ endSandboxes: true });
    assert.deepEqual(await findLeftovers(place), {});
    await removeTestPlace(place);
  });

  const full = () => eventually('the pool is full', () => test.node.pool().ready === POOL.poolSize);

  it('fills with guests of a warm build and lists none of them', async () => {
    await full();
    assert.deepEqual(await test.node.inventory(), []);
    assert.equal((await test.node.describe()).sandboxCount, 0);
  });

  it('hands a guest out under the id it was made with, and makes another', async () => {
    await full();
    const began = performance.now();
    const { sandboxId, address } = await test.create(build, { envVars: { WHO: 'me' } });
    const took = performance.now() - began;
    assert.equal((await runInGuest(address, 'hostname; echo $WHO')).stdout, `${sandboxId}\nme\n`);
    assert.ok(took < 150, `it took ${took} ms`);
    await full();
    await test.node.kill(sandboxId, 'killed');
  });

  it('never hands out what somebody has had', async () => {
    const had = new Set<string>();
    for (let i = 0; i < 5; i += 1) {
      const { sandboxId, address } = await test.create(build);
      assert.equal(had.has(sandboxId), false);
      assert.equal((await runInGuest(address, 'ls /mine 2>/dev/null; touch /mine')).stdout, '');
      had.add(sandboxId);
      await test.node.kill(sandboxId, 'killed');
    }
  });

  it('takes a guest back that was reserved and never started', async () => {
    await full();
    const { buildId, resources } = build;
    const { sandboxId } = await test.node.reserve({ buildId, resources }, signal);
    await eventually('the reservation lapsed', () => test.node.pool().ready === POOL.poolSize);
    await assert.rejects(test.node.start(specOf(sandboxId), signal), { code: 'conflict' });
  });

  it('starts a sandbox from the files when its ready guest is dead', async () => {
    await full();
    for (const line of (await findLeftovers(place)).processes ?? [])
      process.kill(Number(line.split(' ')[0]), 'SIGKILL');
    const { sandboxId, address } = await test.create(build);
    assert.equal((await runInGuest(address, 'echo alive')).stdout, 'alive\n');
    await test.node.kill(sandboxId, 'killed');
    await eventually('the dead are replaced', () => test.node.pool().ready === POOL.poolSize, 20_000);
  });

  it('gives its guests up when memory is short, and makes none', async () => {
    await full();
    await test.close({ endSandboxes: false });
    test = await openTestNode(place, { ...POOL, poolMinFreeMemoryMiB: 1024 * 1024 });
    await eventually('all are given up', async () => Object.keys(await findLeftovers(place)).length === 0);
    const { sandboxId } = await test.create(build);
    assert.equal(test.node.pool().ready, 0);
    await test.node.kill(sandboxId, 'killed');
  });

  it('gives guests of a shape up that nobody asks for any more', async () => {
    await test.close({ endSandboxes: true });
    test = await openTestNode(place, { ...POOL, warmAliases: [], poolCoolDownMs: 1_500 });
    assert.equal(test.node.pool().ready, 0);
    const { sandboxId } = await test.create(build);
    await full();
    await eventually('they are given up', () => test.node.pool().ready === 0);
    await test.node.kill(sandboxId, 'killed');
  });

  function specOf(sandboxId: string) {
    const { buildId, templateId, resources } = build;
    const egress = { allowOut: [], denyOut: [], ports: [] };
    return { sandboxId, teamId: 'team', buildId, templateId, resources, envVars: {}, egress };
  }
});
