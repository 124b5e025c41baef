/** Runs operations on one guest one after the other; different guests do not wait for each other. */
export interface GuestLocks {
  exclusively<T>(id: string, operation: () => Promise<T>): Promise<T>;
}

export function createGuestLocks(): GuestLocks {
  const tails = new Map<string, Promise<void>>();
  return {
    async exclusively(id, operation) {
      const previous = tails.get(id) ?? Promise.resolve();
      const { promise: tail, resolve: release } = Promise.withResolvers<void>();
      tails.set(id, tail);
      await previous;
      try {
        return await operation();
      } finally {
        if (tails.get(id) === tail) tails.delete(id);
        release();
      }
    },
  };
}
