/** Items held for a subscriber that is slower than its source. Few: an item is up to 32 KiB of output. */
const CAPACITY = 4;

/** What is sent to a subscriber that has had nothing else for a while. */
export interface Keepalive<T> {
  readonly everyMs: number;
  readonly item: T;
}

/**
 * One reader of a stream of events. The source offers, and waits while the reader is behind; the reader takes by
 * iterating. Leaving (`return`) is possible at any moment and frees the source.
 */
export class Subscription<T> implements AsyncIterator<T> {
  readonly #queue: T[] = [];
  readonly #onLeave: () => void;
  readonly #keepaliveTimer: NodeJS.Timeout;
  #waiting: ((result: IteratorResult<T>) => void) | undefined;
  #spaceWaiters: (() => void)[] = [];
  /** open: both sides are there. closed: the source has ended, the rest is still to be read. left: nobody reads. */
  #state: 'open' | 'closed' | 'left' = 'open';

  constructor(keepalive: Keepalive<T>, onLeave: () => void) {
    this.#onLeave = onLeave;
    this.#keepaliveTimer = setTimeout(() => {
      this.#keepaliveTimer.refresh();
      // A reader with something waiting is behind, not without news.
      if (this.#queue.length === 0) void this.offer(keepalive.item);
    }, keepalive.everyMs);
  }

  /** Hands an item over. Resolves when there is room for the next one; undefined when there is right now. */
  offer(item: T): Promise<void> | undefined {
    if (this.#state !== 'open') return undefined;
    this.#keepaliveTimer.refresh();
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting({ done: false, value: item });
      return undefined;
    }
    this.#queue.push(item);
    if (this.#queue.length < CAPACITY) return undefined;
    return new Promise((resolve) => {
      this.#spaceWaiters.push(resolve);
    });
  }

  /** No more items will come. What is queued can still be read. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    clearTimeout(this.#keepaliveTimer);
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#queue.shift();
    if (item !== undefined) {
      this.#releaseSource();
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#state !== 'open') return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<T>> {
    if (this.#state !== 'left') {
      this.close();
      this.#state = 'left';
      this.#queue.length = 0;
      this.#releaseSource();
      this.#onLeave();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  #releaseSource(): void {
    if (this.#spaceWaiters.length === 0) return;
    const waiters = this.#spaceWaiters;
    this.#spaceWaiters = [];
    for (const release of waiters) release();
  }
}

/** Seconds without an event after which a keepalive is sent, when the client names none. */
const DEFAULT_KEEPALIVE_SECONDS = 90;

/** The interval of `Keepalive-Ping-Interval` in milliseconds. */
export function keepaliveInterval(headers: Headers): number {
  const text = headers.get('keepalive-ping-interval')?.trim() ?? '';
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return (seconds > 0 ? seconds : DEFAULT_KEEPALIVE_SECONDS) * 1000;
}
