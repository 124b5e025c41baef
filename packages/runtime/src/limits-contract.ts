import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { GuestLimits, Runtime } from './runtime.ts';
import {
  type ContractHarness,
  type GuestPlace,
  openContractHarness,
  type RuntimeUnderTest,
  TEST_LIMITS,
} from './testing/contract-harness.ts';

/** Limits that hold, each proven by hitting it. Part of what every runtime holds. */
export function describeLimitsContract(subject: RuntimeUnderTest): void {
  describe(`limits of the ${subject.name} runtime`, () => {
    let harness: ContractHarness;
    let runtime: Runtime;
    let place: GuestPlace;

    before(async () => {
      harness = await openContractHarness(subject);
      runtime = await harness.openRuntime();
      place = await harness.makePlace();
    });
    after(() => harness.close());

    async function withGuest(limits: GuestLimits, body: (id: string) => Promise<void>): Promise<void> {
      const spec = await place.spec({ limits });
      await runtime.boot(spec, AbortSignal.timeout(30_000));
      try {
        await body(spec.id);
      } finally {
        await runtime.kill(spec.id);
      }
      assert.deepEqual(await harness.leftovers(), []);
    }

    it('answers a fork bomb with EAGAIN; the guest lives and can be ended', async () => {
      await withGuest({ ...TEST_LIMITS, maxProcesses: 100 }, async (id) => {
        const bomb = 'i=0; while [ $i -lt 300 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done';
        const { output } = await place.run(bomb);
        assert.match(output, /can't fork: Resource temporarily unavailable/);
        assert.equal(await runtime.isAlive(id), true);
        assert.equal((await runtime.usage(id)).oomKills, 0);
      });
    });

    it('lifts the process limit of a live guest', async () => {
      const many = 'i=0; while [ $i -lt 120 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done; echo done';
      await withGuest({ ...TEST_LIMITS, maxProcesses: 100 }, async (id) => {
        await runtime.updateLimits(id, { ...TEST_LIMITS, maxProcesses: 200 });
        assert.deepEqual(await place.run(many), { output: 'done', exitCode: 0 });
      });
    });

    it('ends one process that takes too much memory with 137, counts it, and the guest lives', async () => {
      await withGuest({ ...TEST_LIMITS, memoryMiB: 128 }, async (id) => {
        const { output } = await place.run('sh -c "x=a; while :; do x=\\$x\\$x; done"; echo ended with $?');
        assert.match(output, /ended with 137/);
        assert.equal((await runtime.usage(id)).oomKills, 1);
        assert.equal((await place.run('echo alive')).output, 'alive');
      });
    });

    it('limits files in memory to half of it', async () => {
      await withGuest({ ...TEST_LIMITS, memoryMiB: 128 }, async () => {
        const { output } = await place.run('dd if=/dev/zero of=/dev/shm/fill bs=1M count=200');
        assert.match(output, /No space left on device/);
        assert.equal((await place.run('echo alive')).output, 'alive');
      });
    });

    it('gives a guest the CPU time of its quota and no more, and changes it while the guest runs', async () => {
      await withGuest({ ...TEST_LIMITS, cpuCount: 0.5 }, async (id) => {
        await place.run('(while :; do :; done) >/dev/null 2>&1 &');
        const half = await coresUsed(id);
        assert.ok(half > 0.3 && half < 0.6, `used ${half} cores of 0.5`);
        await runtime.updateLimits(id, { ...TEST_LIMITS, cpuCount: 0.2 });
        const fifth = await coresUsed(id);
        assert.ok(fifth > 0.1 && fifth < 0.27, `used ${fifth} cores of 0.2`);
      });
    });

    it('tells of a guest that ended by itself, and what it used, until it is killed', async () => {
      const spec = await place.spec({
        process: { args: ['/bin/sh', '-c', 'sleep 1; exit 3'], env: ['PATH=/bin'], cwd: '/' },
      });
      await runtime.boot(spec, AbortSignal.timeout(30_000));
      while (await runtime.isAlive(spec.id)) await delay(5);
      assert.deepEqual(await runtime.list(), [{ id: spec.id, alive: false }]);
      assert.equal((await runtime.usage(spec.id)).oomKills, 0);
      await runtime.kill(spec.id);
      assert.deepEqual(await runtime.list(), []);
      assert.deepEqual(await harness.leftovers(), []);
    });

    /** Cores a guest uses, over ten periods of the kernel's bandwidth control. */
    async function coresUsed(id: string): Promise<number> {
      const before = { cpu: (await runtime.usage(id)).cpuNanoseconds, at: process.hrtime.bigint() };
      await delay(1_000);
      const cpu = (await runtime.usage(id)).cpuNanoseconds - before.cpu;
      return cpu / Number(process.hrtime.bigint() - before.at);
    }
  });
}
