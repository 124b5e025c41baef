import assert from 'node:assert/strict';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AtollError } from '@atoll/contract';
import type { Runtime } from './runtime.ts';
import {
  type ContractHarness,
  type GuestPlace,
  openContractHarness,
  type RuntimeUnderTest,
  TEST_LIMITS,
} from './testing/contract-harness.ts';
import { GUEST_PROCESS } from './testing/guest-root.ts';

/** Long for what it bounds: starts and checkpoints of small guests. */
const deadline = (): AbortSignal => AbortSignal.timeout(30_000);

/** What every runtime holds. Real guests; needs root. */
export function describeRuntimeContract(subject: RuntimeUnderTest): void {
  describe(`the ${subject.name} runtime`, () => {
    let harness: ContractHarness;
    let runtime: Runtime;
    let place: GuestPlace;

    before(async () => {
      harness = await openContractHarness(subject);
      runtime = await harness.openRuntime();
      place = await harness.makePlace();
    });
    after(() => harness.close());

    /** Boots, runs the body, ends the guest and sees that nothing is left. */
    async function withGuest(body: (id: string) => Promise<void>, overrides = {}): Promise<void> {
      const spec = await place.spec(overrides);
      await runtime.boot(spec, deadline());
      try {
        await body(spec.id);
      } finally {
        await runtime.kill(spec.id);
      }
      assert.deepEqual(await harness.leftovers(), []);
    }

    it('gives a guest the host name, environment, rights and limits it asks for', async () => {
      const limits = { ...TEST_LIMITS, memoryMiB: 256 };
      await withGuest(
        async () => {
          assert.equal((await place.run('hostname')).output, 'wonderland');
          assert.equal((await place.run('echo $GREETING; id -u')).output, 'hello\n0');
          assert.match((await place.run('cat /proc/meminfo')).output, /MemTotal: +262144 kB/);
          assert.equal((await place.run('nproc')).output, '2');
          assert.deepEqual(await place.run('mount -t tmpfs none /mnt && df /mnt >/dev/null'), {
            output: '',
            exitCode: 0,
          });
        },
        { hostname: 'wonderland', limits },
      );
    });

    it('keeps a guest’s files, /tmp included, in its rootfs', async () => {
      await withGuest(async () => {
        await place.run('echo kept > /tmp/note; mkdir /made; stat -c %a /tmp > /made/mode');
        assert.equal(await readFile(join(place.rootfs, 'tmp/note'), 'utf8'), 'kept\n');
        assert.equal(await readFile(join(place.rootfs, 'made/mode'), 'utf8'), '1777\n');
      });
    });

    it('mounts folders of the host, read-only where asked', async () => {
      const shared = join(harness.directory, 'shared');
      await mkdir(shared, { recursive: true });
      await writeFile(join(shared, 'file'), 'from the host');
      const mounts = [
        { source: shared, destination: '/shared', readOnly: false },
        { source: shared, destination: '/fixed', readOnly: true },
      ];
      await withGuest(
        async () => {
          assert.equal((await place.run('cat /fixed/file')).output, 'from the host');
          assert.notEqual((await place.run('echo no > /fixed/file')).exitCode, 0);
          await place.run('echo yes > /shared/file');
          assert.equal(await readFile(join(shared, 'file'), 'utf8'), 'yes\n');
        },
        { mounts },
      );
    });

    it('refuses a second guest of the same id and leaves the first alone', async () => {
      const spec = await place.spec();
      await runtime.boot(spec, deadline());
      await assert.rejects(runtime.boot(spec, deadline()), (error: AtollError) => error.code === 'conflict');
      assert.equal((await place.run('echo here')).output, 'here');
      await runtime.kill(spec.id);
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('leaves nothing of a guest whose program does not exist, and says so', async () => {
      const spec = await place.spec({ process: { ...GUEST_PROCESS, args: ['/no/such/program'] } });
      await assert.rejects(runtime.boot(spec, deadline()), /no such file|not exist|no\/such\/program/);
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('leaves nothing of a start that was called off', async () => {
      const spec = await place.spec();
      await assert.rejects(runtime.boot(spec, AbortSignal.timeout(20)), { name: 'TimeoutError' });
      assert.equal(await runtime.isAlive(spec.id), false);
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('refuses ids that could name something else', async () => {
      for (const id of ['', '..', 'a/b', 'A', 'a'.repeat(65)]) {
        const spec = await place.spec({ id });
        await assert.rejects(runtime.boot(spec, deadline()), (error: AtollError) => error.code === 'invalid_request');
        await assert.rejects(runtime.kill(id), (error: AtollError) => error.code === 'invalid_request');
      }
    });

    it('does not follow a link that a template put in place of /tmp', async () => {
      const trap = await harness.makePlace();
      const target = join(harness.directory, 'host-folder');
      await mkdir(target);
      await rm(join(trap.rootfs, 'tmp'), { recursive: true });
      await symlink(target, join(trap.rootfs, 'tmp'));
      await assert.rejects(runtime.boot(await trap.spec(), deadline()), /tmp of the template is no folder/);
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('uses no CPU while frozen and goes on where it stood', async () => {
      await withGuest(async (id) => {
        await place.run('(i=0; while :; do i=$((i+1)); echo $i >> /dev/shm/count; done) >/dev/null 2>&1 &');
        await runtime.freeze(id);
        const frozen = await runtime.usage(id);
        await delay(300);
        assert.equal((await runtime.usage(id)).cpuNanoseconds, frozen.cpuNanoseconds);
        assert.equal(await runtime.isAlive(id), true);
        await runtime.thaw(id);
        assert.ok(Number((await place.run('tail -n 1 /dev/shm/count')).output) > 0);
        assert.ok((await runtime.usage(id)).cpuNanoseconds > frozen.cpuNanoseconds);
      });
    });

    it('ends a frozen guest, twice at once and again later', async () => {
      await withGuest(async (id) => {
        await runtime.freeze(id);
        await Promise.all([runtime.kill(id), runtime.kill(id)]);
        assert.equal(await runtime.isAlive(id), false);
        await runtime.kill(id);
        await assert.rejects(runtime.freeze(id), (error: AtollError) => error.code === 'sandbox_not_found');
        await assert.rejects(runtime.usage(id), (error: AtollError) => error.code === 'sandbox_not_found');
      });
    });

    it('takes guests over that an earlier process of ours started', async () => {
      const spec = await place.spec();
      await runtime.boot(spec, deadline());
      const successor = await harness.openRuntime();
      assert.deepEqual(await successor.list(), [{ id: spec.id, alive: true }]);
      assert.equal(await successor.isAlive(spec.id), true);
      await successor.freeze(spec.id);
      await successor.thaw(spec.id);
      assert.equal((await place.run('echo still here')).output, 'still here');
      await successor.kill(spec.id);
      assert.deepEqual(await successor.list(), []);
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('starts, runs and ends several guests at once', async () => {
      const places = await Promise.all(Array.from({ length: 4 }, () => harness.makePlace()));
      const specs = await Promise.all(places.map((one) => one.spec()));
      await Promise.all(specs.map((spec) => runtime.boot(spec, deadline())));
      const answers = await Promise.all(places.map((one) => one.run('hostname')));
      assert.deepEqual(
        answers.map((answer) => answer.output),
        specs.map((spec) => spec.hostname),
      );
      await Promise.all(specs.map((spec) => runtime.kill(spec.id)));
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('restores a guest’s memory under another id, in another network, again and again', async () => {
      const image = join(harness.directory, 'image');
      const spec = await place.spec();
      await runtime.boot(spec, deadline());
      await place.run('echo remembered > /dev/shm/note; sleep 2000 >/dev/null 2>&1 &');
      await runtime.checkpoint(spec.id, image, { leaveRunning: false }, deadline());
      assert.equal(await runtime.isAlive(spec.id), false);
      assert.deepEqual(await harness.leftovers(), []);

      const elsewhere = await harness.makePlace();
      for (const where of [elsewhere, place]) {
        const clone = await where.spec();
        await runtime.restore(clone, image, deadline());
        assert.equal((await where.run('cat /dev/shm/note')).output, 'remembered');
        assert.match((await where.run('ps')).output, /sleep 2000/);
        await runtime.updateLimits(clone.id, { ...TEST_LIMITS, maxProcesses: 200 });
        await runtime.kill(clone.id);
      }
      assert.deepEqual(await harness.leftovers(), []);
    });

    it('goes on running after a checkpoint that asks for it', async () => {
      const image = join(harness.directory, 'image-running');
      await withGuest(async (id) => {
        await place.run('echo before > /dev/shm/note');
        await runtime.checkpoint(id, image, { leaveRunning: true }, deadline());
        assert.equal((await place.run('cat /dev/shm/note')).output, 'before');
        await assert.rejects(
          runtime.checkpoint(id, image, { leaveRunning: true }, deadline()),
          (error: AtollError) => error.code === 'conflict',
        );
      });
    });

    it('writes no image of a guest that is frozen or gone, and restores none that is incomplete', async () => {
      const image = join(harness.directory, 'image-never');
      await withGuest(async (id) => {
        await runtime.freeze(id);
        await assert.rejects(
          runtime.checkpoint(id, image, { leaveRunning: true }, deadline()),
          (error: AtollError) => error.code === 'conflict',
        );
      });
      await assert.rejects(runtime.checkpoint('gone', image, { leaveRunning: true }, deadline()), AtollError);
      await mkdir(image);
      await assert.rejects(runtime.restore(await place.spec(), image, deadline()), /incomplete/);
      assert.deepEqual(await harness.leftovers(), []);
    });
  });
}
