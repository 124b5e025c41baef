import type { SandboxContext } from './context.ts';
import type { SandboxEnder } from './end.ts';
import { reconcile } from './reconcile.ts';

/** How often rows are compared with what runs, and what is too old is forgotten. */
const INTERVAL_MS = 60_000;

/** What has to be done now and then, whether anybody asks or not. */
export class Upkeep {
  readonly #context: SandboxContext;
  readonly #ender: SandboxEnder;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> = Promise.resolve();

  constructor(context: SandboxContext, ender: SandboxEnder) {
    this.#context = context;
    this.#ender = ender;
    this.#arm();
  }

  /** Stops, and waits for what is under way. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#underWay;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#underWay = this.#run();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    const { store, limits, logger, closing } = this.#context;
    try {
      await reconcile(this.#context, this.#ender, { atStart: false });
      await store.sandboxes.removeTombstones(Date.now() - limits.tombstoneMs);
      await store.sandboxes.releaseIdempotencyKeys(Date.now() - limits.idempotencyMs);
    } catch (error) {
      logger.error({ err: error }, 'the regular upkeep failed; it is tried again in a minute');
    }
    if (!closing.aborted) this.#arm();
  }
}
