import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { Journal } from './journal.ts';
import { completeSteps, runSteps, type Step, type StepContext, type StepRunner } from './run-steps.ts';

const { signal } = new AbortController();

describe('an operation of journalled steps', () => {
  let directory: string;
  let journal: Journal;
  let runner: StepRunner;
  let done: string[];
  let retries: (() => Promise<void>)[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-journal-'));
    journal = new Journal(directory);
  });
  after(() => rm(directory, { recursive: true }));

  beforeEach(() => {
    done = [];
    retries = [];
    const logger = pino({ level: 'silent' });
    runner = { journal, logger, crashAt: undefined, onCleanupFailed: (attempt) => retries.push(attempt) };
  });

  function step(name: string, options: { fails?: boolean; undoFails?: () => boolean } = {}): Step<StepContext> {
    return {
      name,
      async act({ facts }) {
        done.push(name);
        const [open] = await journal.leftovers();
        assert.equal(open?.step, name, 'the step is written down before it acts');
        facts[name] = 1;
        if (options.fails) throw new Error(`${name} failed`);
      },
      async undo() {
        done.push(`undo ${name}`);
        if (options.undoFails?.()) throw new Error(`undoing ${name} failed`);
      },
    };
  }

  const context = (): StepContext => ({ subject: 'subject', facts: {} });

  it('acts in order and leaves no entry', async () => {
    await runSteps(runner, { name: 'test', steps: [step('one'), step('two')] }, context(), signal);
    assert.deepEqual(done, ['one', 'two']);
    assert.deepEqual(await journal.leftovers(), []);
  });

  it('undoes the failed step and those before it, in reverse', async () => {
    const steps = [step('one'), step('two', { fails: true }), step('three')];
    await assert.rejects(runSteps(runner, { name: 'test', steps }, context(), signal), /two failed/);
    assert.deepEqual(done, ['one', 'two', 'undo two', 'undo one']);
    assert.deepEqual(await journal.leftovers(), []);
  });

  it('undoes everything when it is aborted, also after the last step', async () => {
    const abort = new AbortController();
    const last: Step<StepContext> = { ...step('two'), act: async () => abort.abort(new Error('stop')) };
    const running = runSteps(runner, { name: 'test', steps: [step('one'), last] }, context(), abort.signal);
    await assert.rejects(running, /stop/);
    assert.deepEqual(done, ['one', 'undo two', 'undo one']);
  });

  it('keeps the entry when an undo fails, undoes the rest, and tries again', async () => {
    let broken = true;
    const steps = [step('one'), step('two', { undoFails: () => broken }), step('three', { fails: true })];
    await assert.rejects(runSteps(runner, { name: 'test', steps }, context(), signal), /three failed/);
    assert.deepEqual(done.slice(3), ['undo three', 'undo two', 'undo one']);
    const [entry] = await journal.leftovers();
    assert.deepEqual(entry?.facts, { one: 1, two: 1 });
    broken = false;
    await retries[0]?.();
    assert.deepEqual(await journal.leftovers(), []);
  });

  it('goes on forward past a failing step when it is a removal, and tries the whole again', async () => {
    let fails = true;
    const flaky: Step<StepContext> = {
      name: 'one',
      act: () => (fails ? Promise.reject(new Error('one failed')) : Promise.resolve()),
    };
    await assert.rejects(completeSteps(runner, { name: 'end', steps: [flaky, step('two')] }, context()), /one failed/);
    assert.deepEqual(done, ['two']);
    assert.equal((await journal.leftovers()).length, 1);
    fails = false;
    await retries[0]?.();
    assert.deepEqual(done, ['two', 'two']);
    assert.deepEqual(await journal.leftovers(), []);
  });

  it('throws away what a crash left half written', async () => {
    await writeFile(join(directory, 'create-x-1-1.json.abcd.partial'), '{');
    await writeFile(join(directory, 'create-x-1-1.json'), '{"version":1');
    assert.deepEqual(await journal.leftovers(), []);
  });
});
