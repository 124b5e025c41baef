/** The longest delay that Node's timers take; longer ones fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Entry {
  readonly sandboxId: string;
  readonly at: number;
}

/**
 * When which sandbox is due: a binary heap and one timer for its earliest entry. An entry that was replaced stays in
 * the heap and is skipped when it comes up, so setting a deadline is O(log n) and needs no search.
 */
export class Deadlines {
  readonly #heap: Entry[] = [];
  readonly #current = new Map<string, Entry>();
  readonly #onDue: (sandboxId: string) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `onDue` must not throw; it is called once for each deadline, at or after its time. */
  constructor(onDue: (sandboxId: string) => void) {
    this.#onDue = onDue;
  }

  /** Sets or replaces the deadline of a sandbox. `at`: unix milliseconds. */
  set(sandboxId: string, at: number): void {
    const entry = { sandboxId, at };
    this.#current.set(sandboxId, entry);
    this.#push(entry);
    this.#arm();
  }

  clear(sandboxId: string): void {
    this.#current.delete(sandboxId);
  }

  /** How many deadlines are set. */
  get size(): number {
    return this.#current.size;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#current.clear();
    this.#heap.length = 0;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#dropReplaced();
    const next = this.#heap[0];
    if (next === undefined) return;
    this.#timer = setTimeout(() => this.#fire(), Math.min(MAX_TIMER_MS, Math.max(0, next.at - Date.now())));
    // A process that has nothing else to do need not stay for a deadline: it is in the store.
    this.#timer.unref();
  }

  #fire(): void {
    const now = Date.now();
    const due: string[] = [];
    for (;;) {
      this.#dropReplaced();
      const next = this.#heap[0];
      if (next === undefined || next.at > now) break;
      this.#pop();
      this.#current.delete(next.sandboxId);
      due.push(next.sandboxId);
    }
    this.#arm();
    for (const sandboxId of due) this.#onDue(sandboxId);
  }

  #dropReplaced(): void {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#current.get(top.sandboxId) === top) return;
      this.#pop();
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.at <= entry.at) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const leftIndex = 2 * index + 1;
      const left = heap[leftIndex];
      if (left === undefined) break;
      const right = heap[leftIndex + 1];
      const [childIndex, child] =
        right !== undefined && right.at < left.at ? [leftIndex + 1, right] : [leftIndex, left];
      if (child.at >= last.at) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}
