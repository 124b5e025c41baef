import { type AtollError, type DeathReason, ERROR_CATALOGUE, type SandboxDied } from '@atoll/contract';
import type { SandboxContext } from './context.ts';
import type { SandboxRecord } from './record.ts';

/** How long after a kill that the node could not carry out it is tried again. */
const KILL_AGAIN_MS = 5000;

/** Ends sandboxes, for whatever reason: the API, their deadline, their own death, a start that failed. */
export class SandboxEnder {
  readonly #context: SandboxContext;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(context: SandboxContext) {
    this.#context = context;
  }

  /** Ends a sandbox; false when something else ends it already. Returns when nothing of it is left on the node. */
  async kill(sandboxId: string, reason: DeathReason, detail = ''): Promise<boolean> {
    const killing = await this.#context.store.sandboxes.transition(sandboxId, 'killing', {
      end: { at: Date.now(), reason, detail },
    });
    if (killing === undefined) return false;
    await this.#track(this.#finishKill(sandboxId, reason));
    return true;
  }

  /** What the deadlines call: kills what is due, and looks again where the deadline was moved. Never throws. */
  expire(sandboxId: string): void {
    const work = this.#expire(sandboxId).catch((error: unknown) => {
      this.#context.logger.error({ err: error, sandboxId }, 'an expired sandbox could not be ended; it is tried again');
      this.#tryAgain(sandboxId);
    });
    void this.#track(work);
  }

  /** What the node calls for a sandbox that ended by itself. Never throws. */
  died(death: SandboxDied): void {
    const work = this.recordDeath(death).catch((error: unknown) => {
      this.#context.logger.error({ err: error, death }, 'the death of a sandbox could not be recorded');
    });
    void this.#track(work);
  }

  /** Keeps why a sandbox is no more, and withdraws its route. A sandbox that is being killed ends as killed. */
  async recordDeath(death: SandboxDied): Promise<void> {
    const { store, logger } = this.#context;
    this.#withdraw(death.sandboxId);
    const failed = await store.sandboxes.transition(death.sandboxId, 'failed', {
      end: { at: Date.now(), reason: death.reason, detail: death.detail },
    });
    if (failed !== undefined) logger.warn({ death }, 'a sandbox ended by itself');
  }

  /** Removes what a failed start may have left, and keeps the cause. Never throws. */
  async undoStart(sandboxId: string, cause: AtollError): Promise<void> {
    const { store, node, logger } = this.#context;
    const system = ERROR_CATALOGUE[cause.code].fault === 'system';
    logger[system ? 'error' : 'warn']({ err: cause, sandboxId }, 'a sandbox was not started');
    const undo = async () => {
      try {
        this.#withdraw(sandboxId);
        await node.kill(sandboxId, 'start_failed');
        const end = { at: Date.now(), reason: 'start_failed', detail: cause.message } as const;
        await store.sandboxes.transition(sandboxId, 'failed', { end });
        await store.sandboxes.releaseIdempotencyKey(sandboxId);
      } catch (error) {
        logger.error({ err: error, sandboxId }, 'a failed start could not be undone; the next reconciliation will');
      }
    };
    await this.#track(undo());
  }

  /** Waits until everything under way is done. */
  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Carries on a kill that was interrupted. */
  async resumeKill(record: SandboxRecord): Promise<void> {
    await this.#track(this.#finishKill(record.sandboxId, record.end?.reason ?? 'killed'));
  }

  async #expire(sandboxId: string): Promise<void> {
    const { store, deadlines } = this.#context;
    const now = Date.now();
    const killing = await store.sandboxes.transition(sandboxId, 'killing', {
      end: { at: now, reason: 'timeout', detail: '' },
      endAtOrBefore: now,
    });
    if (killing !== undefined) return this.#finishKill(sandboxId, 'timeout');
    const record = await store.sandboxes.get(sandboxId);
    if (record?.state === 'running') deadlines.set(sandboxId, record.endAt);
    if (record?.state === 'killing') await this.#finishKill(sandboxId, 'killed');
  }

  async #finishKill(sandboxId: string, reason: DeathReason): Promise<void> {
    const { store, node } = this.#context;
    this.#withdraw(sandboxId);
    try {
      await node.kill(sandboxId, reason);
    } catch (error) {
      this.#tryAgain(sandboxId);
      throw error;
    }
    await store.sandboxes.transition(sandboxId, 'gone');
  }

  #tryAgain(sandboxId: string): void {
    if (!this.#context.closing.aborted) this.#context.deadlines.set(sandboxId, Date.now() + KILL_AGAIN_MS);
  }

  #withdraw(sandboxId: string): void {
    this.#context.deadlines.clear(sandboxId);
    this.#context.routes.withdraw(sandboxId);
  }

  async #track<Value>(work: Promise<Value>): Promise<Value> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }
}
