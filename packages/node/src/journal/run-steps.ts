import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { Journal, JournalEntry, JournalFacts } from './journal.ts';

/**
 * One step of an operation. `undo` may be called when `act` never ran, ran half, ran, or was already undone, also by a
 * later process that has only the journal's facts: it must bring all of these to the same end.
 */
export interface Step<Context> {
  readonly name: string;
  act(context: Context, signal: AbortSignal): Promise<void>;
  undo?(context: StepContext): Promise<void>;
}

/** What every step's context has. */
export interface StepContext {
  /** The sandbox or build that the operation is about. */
  readonly subject: string;
  readonly facts: JournalFacts;
}

/** A named list of steps, in the order in which they act. */
export interface Operation<Context> {
  readonly name: string;
  readonly steps: readonly Step<Context>[];
}

/** What {@link runSteps} needs besides the operation. */
export interface StepRunner {
  readonly journal: Journal;
  readonly logger: Logger;
  /**
   * Test hook `<operation>:<step>:<begun|done>`: this process kills itself there, so that tests can prove that the
   * next one leaves nothing behind.
   */
  readonly crashAt: string | undefined;
  /** Told of removals that failed, so that they can be tried again later. */
  readonly onCleanupFailed: (attempt: () => Promise<void>) => void;
}

/**
 * Runs an operation that can be undone: each step is journalled, then acts. When one fails or the signal aborts, that
 * step and all before it are undone in reverse, then the error is thrown. The journal entry is gone when this returns
 * or throws, unless an undo failed: then it stays, for another try or for the next process.
 */
export async function runSteps<Context extends StepContext>(
  runner: StepRunner,
  operation: Operation<Context>,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const entry = openEntry(operation.name, context.subject);
  const tookMs: Record<string, number> = {};
  let begun = 0;
  try {
    for (const step of operation.steps) {
      signal.throwIfAborted();
      await runner.journal.record({ ...entry, step: step.name, facts: context.facts });
      begun += 1;
      crashIfAsked(runner, operation.name, step.name, 'begun');
      const began = performance.now();
      await step.act(context, signal);
      tookMs[step.name] = Math.round((performance.now() - began) * 10) / 10;
      crashIfAsked(runner, operation.name, step.name, 'done');
    }
    signal.throwIfAborted();
  } catch (error) {
    await tryAndClose(runner, entry, () => undoSteps(operation.steps.slice(0, begun), context)).catch(() => undefined);
    throw error;
  }
  await runner.journal.remove(entry.id);
  runner.logger.debug({ operation: operation.name, subject: context.subject, tookMs }, 'An operation is done.');
}

/**
 * Runs an operation that only goes forward (removal). A step that fails does not keep the others from acting; then the
 * journal entry stays, the whole is tried again later, and the first error is thrown.
 */
export async function completeSteps<Context extends StepContext>(
  runner: StepRunner,
  operation: Operation<Context>,
  context: Context,
): Promise<void> {
  const entry = openEntry(operation.name, context.subject);
  const never = new AbortController().signal;
  const tookMs: Record<string, number> = {};
  await tryAndClose(runner, entry, async () => {
    const errors: unknown[] = [];
    for (const step of operation.steps) {
      try {
        await runner.journal.record({ ...entry, step: step.name, facts: context.facts });
        crashIfAsked(runner, operation.name, step.name, 'begun');
        const began = performance.now();
        await step.act(context, never);
        tookMs[step.name] = Math.round((performance.now() - began) * 10) / 10;
        crashIfAsked(runner, operation.name, step.name, 'done');
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    runner.logger.debug({ operation: operation.name, subject: context.subject, tookMs }, 'An operation is done.');
  });
}

let sequence = 0;

function openEntry(operation: string, subject: string): Omit<JournalEntry, 'step' | 'facts'> {
  sequence += 1;
  const startedAt = Date.now();
  return { version: 1, id: `${operation}-${subject}-${startedAt}-${sequence}`, operation, subject, startedAt };
}

/** Closes the journal entry when the work succeeds; otherwise leaves it and asks for another try. */
async function tryAndClose(runner: StepRunner, entry: { id: string; operation: string }, work: () => Promise<void>) {
  const attempt = async () => {
    await work();
    await runner.journal.remove(entry.id);
  };
  try {
    await attempt();
  } catch (error) {
    runner.logger.error({ err: error, entry: entry.id }, 'Cleaning up failed; it will be tried again.');
    runner.onCleanupFailed(attempt);
    throw error;
  }
}

/** Undoes steps in reverse. A failing undo does not keep the others from being undone; the first error is thrown at the end. */
export async function undoSteps(steps: readonly Pick<Step<never>, 'undo'>[], context: StepContext): Promise<void> {
  const errors: unknown[] = [];
  for (const step of [...steps].reverse()) {
    try {
      await step.undo?.(context);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function crashIfAsked(runner: StepRunner, operation: string, step: string, moment: 'begun' | 'done'): void {
  if (runner.crashAt === `${operation}:${step}:${moment}`) process.kill(process.pid, 'SIGKILL');
}
