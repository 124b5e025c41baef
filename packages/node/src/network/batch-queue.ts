/** Runs work in batches: what is asked for while one batch runs goes together into the next. */
export interface BatchQueue<Item> {
  /** Settles with the batch that the item is part of. */
  add(item: Item): Promise<void>;
  /** Settles when nothing is queued or running. */
  idle(): Promise<void>;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes a queue over `run`. One batch runs at a time. When a batch of several fails, its items are run again one by one,
 * so that an item fails for its own reasons only; `run` must therefore be all or nothing, or repeatable.
 */
export function createBatchQueue<Item>(run: (items: readonly Item[]) => Promise<void>): BatchQueue<Item> {
  let waiting: Waiting<Item>[] = [];
  let running: Promise<void> | undefined;

  const settle = async (batch: readonly Waiting<Item>[]): Promise<void> => {
    try {
      await run(batch.map((entry) => entry.item));
      for (const entry of batch) entry.resolve();
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const entry of batch) await settle([entry]);
    }
  };
  const drain = async (): Promise<void> => {
    // Let everything asked for in this turn of the event loop join the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await settle(batch);
    }
    running = undefined;
  };

  return {
    add: (item) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        running ??= drain();
      }),
    idle: async () => {
      while (running !== undefined) await running;
    },
  };
}
