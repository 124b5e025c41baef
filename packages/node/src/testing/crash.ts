import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findLeftovers, findNetwork } from './leftovers.ts';
import { bakeTestBuild, newTestPlace, openTestNode, removeTestPlace, type TestPlace } from './test-node.ts';

const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url));

/** Declares the tests of one operation: a process is killed at each of its steps, the next one must clean up. */
export function describeCrashesOf(operation: string, steps: readonly string[]): void {
  describe(`a node whose process was killed in the operation ${operation}`, () => {
    let place: TestPlace;

    before(async () => {
      place = await newTestPlace();
      const test = await openTestNode(place);
      await bakeTestBuild(test.node);
      await test.close({ endSandboxes: true });
    });

    after(async () => {
      assert.deepEqual(await findNetwork(place.instance), []);
      await removeTestPlace(place);
    });

    for (const step of steps) {
      for (const moment of ['begun', 'done']) {
        it(`leaves nothing behind of step ${step}, ${moment}`, async () => {
          const child = startChild(place, `${operation}:${step}:${moment}`, operation);
          assert.equal(await child.killedBy(), 'SIGKILL', child.errors());
          const test = await openTestNode(place);
          try {
            assert.deepEqual(await test.node.inventory(), []);
            assert.deepEqual(await findLeftovers(place), {});
            assert.equal((await test.node.builds()).length, 1);
          } finally {
            await test.close({ endSandboxes: true });
          }
        });
      }
    }
  });
}

/** Starts a process with a node at a place; see `crash-child.ts`. */
export function startChild(place: TestPlace, crashAt: string, what: string) {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(place), crashAt, what], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGTERM',
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    errors: () => errors,
    /** Resolves with the first output: the child is at work. */
    busy: () => once(child.stdout, 'data'),
    kill: () => child.kill('SIGKILL'),
    killedBy: async () => (await exited)[1],
  };
}
