import type { NodeParts } from '../node-parts.ts';
import type { Ending } from '../sandboxes/end-steps.ts';
import type { GuestSource, Lifecycle } from '../sandboxes/lifecycle.ts';
import { type ReadyGuest, type Shape, shapeKey } from '../sandboxes/sandbox-table.ts';
import { readHostMemory } from './memory-pressure.ts';

/**
 * How long the pool stands back after a start before it makes new guests, in milliseconds: the sandbox that was just
 * handed out is about to run its first command. With less than half of the guests left it waits less.
 */
const QUIET_MS = { half: 500, low: 30 };

/** How long the pool waits after it failed to make a guest, in milliseconds. */
const PAUSE_AFTER_FAILURE_MS = 5_000;

/** How often the pool looks at memory and at what has cooled down, in milliseconds. */
const REVIEW_INTERVAL_MS = 1_000;

const GIVEN_UP: Ending = { reason: 'shutdown', detail: 'The pool gave this guest up.' };

interface HotShape {
  readonly shape: Shape;
  /** Never cools down. */
  readonly warm: boolean;
  lastAsked: number;
}

/**
 * Ready, unassigned, frozen guests of the shapes that are asked for. They are made in the background with low priority
 * and given up when memory is short or nobody asks any more. A guest leaves the pool once and never comes back used.
 */
export class ReadyPool implements GuestSource {
  readonly #parts: NodeParts;
  readonly #lifecycle: Lifecycle;
  readonly #shapes = new Map<string, HotShape>();
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<void>>();
  #review: NodeJS.Timeout | undefined;
  #wakeUp: NodeJS.Timeout | undefined;
  #quietUntil = 0;
  #lowUntil = 0;
  #short = false;

  constructor(parts: NodeParts, lifecycle: Lifecycle) {
    this.#parts = parts;
    this.#lifecycle = lifecycle;
  }

  /** Begins to fill: with the shapes of the warm builds and those of guests that were taken over. */
  open(): void {
    for (const [, { guest }] of this.#parts.table.in('pooled')) this.#heat(guest.shape);
    this.heatWarmBuilds();
    this.#review = setInterval(() => this.#track(this.#lookAround()), REVIEW_INTERVAL_MS);
  }

  /** Makes the builds with a warm name hot; older builds that lost the name cool down. */
  heatWarmBuilds(): void {
    const { builds, settings } = this.#parts;
    const warm = builds.list().filter((build) => build.aliases.some((alias) => settings.warmAliases.includes(alias)));
    const keys = new Set(warm.map((build) => shapeKey(build)));
    for (const [key, hot] of this.#shapes) if (hot.warm && !keys.has(key)) this.#shapes.delete(key);
    for (const { buildId, resources } of warm) this.#heat({ buildId, resources }, true);
    this.#wake(0);
  }

  take(shape: Shape): ReadyGuest | undefined {
    this.#heat(shape);
    const key = shapeKey(shape);
    for (const [, { guest }] of this.#parts.table.in('pooled')) {
      if (shapeKey(guest.shape) === key) return guest;
    }
    return undefined;
  }

  noteActivity(): void {
    const now = Date.now();
    this.#quietUntil = now + QUIET_MS.half;
    this.#lowUntil = now + QUIET_MS.low;
    this.#wake(QUIET_MS.low);
  }

  /** Ends the guests of one build, so that the build can be removed. */
  async giveUpBuild(buildId: string): Promise<void> {
    for (const [key, { shape }] of this.#shapes) if (shape.buildId === buildId) this.#shapes.delete(key);
    for (const [id, { guest }] of [...this.#parts.table.in('pooled')]) {
      if (guest.shape.buildId === buildId) await this.#lifecycle.end(id, GIVEN_UP);
    }
  }

  /** Makes no more guests; those that are ready stay. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('The pool is closing.'));
    clearInterval(this.#review);
    clearTimeout(this.#wakeUp);
    await Promise.all(this.#work);
  }

  #heat(shape: Shape, warm = false): void {
    const key = shapeKey(shape);
    const known = this.#shapes.get(key);
    if (known !== undefined && (known.warm || !warm)) known.lastAsked = Date.now();
    else this.#shapes.set(key, { shape, warm, lastAsked: Date.now() });
  }

  #wake(afterMs: number): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#wakeUp);
    this.#wakeUp = setTimeout(() => this.#refill(), afterMs);
  }

  /** Makes the next guest, if one is missing and now is a good time; comes back when it is not. */
  #refill(): void {
    if (this.#closing.signal.aborted || this.#short) return;
    const { table, settings } = this.#parts;
    const filling = table.count('filling');
    if (filling >= settings.poolConcurrency) return;
    const wanted = this.#mostWanted();
    if (wanted === undefined) return;
    const goodTime = wanted.share < 0.5 ? this.#lowUntil : this.#quietUntil;
    const wait = table.count('starting') > 0 ? QUIET_MS.low : goodTime - Date.now();
    if (wait > 0) {
      this.#wake(wait);
      return;
    }
    const filled = this.#lifecycle.fill(wanted.shape, this.#closing.signal).then(
      () => this.#wake(0),
      (error: unknown) => {
        if (this.#closing.signal.aborted) return;
        settings.logger.warn({ err: error, ...wanted.shape }, 'The pool could not make a guest.');
        this.#wake(PAUSE_AFTER_FAILURE_MS);
      },
    );
    this.#track(filled);
    if (filling + 1 < settings.poolConcurrency) this.#wake(0);
  }

  /** The hot shape with the smallest share of its guests there; undefined when all are or the pool is full. */
  #mostWanted(): { shape: Shape; share: number } | undefined {
    const { table, settings } = this.#parts;
    const there = new Map<string, number>();
    const count = (shape: Shape) => there.set(shapeKey(shape), (there.get(shapeKey(shape)) ?? 0) + 1);
    for (const [, { guest }] of table.in('pooled')) count(guest.shape);
    for (const [, { shape }] of table.in('filling')) count(shape);
    if (table.count('pooled') + table.count('filling') >= settings.poolMaxGuests) return undefined;
    return [...this.#shapes]
      .map(([key, { shape }]) => ({ shape, share: (there.get(key) ?? 0) / settings.poolSize }))
      .filter(({ share }) => share < 1)
      .sort((a, b) => a.share - b.share)[0];
  }

  /** Gives guests up that cost memory somebody needs, or that nobody asks for. */
  async #lookAround(): Promise<void> {
    const { table, settings } = this.#parts;
    const { availableBytes } = await readHostMemory();
    const wasShort = this.#short;
    this.#short = availableBytes < settings.poolMinFreeMemoryMiB * 1024 * 1024;
    if (this.#short && !wasShort)
      settings.logger.warn({ availableBytes }, 'Memory is short: the pool gives guests up.');
    const oldest = Date.now() - settings.poolCoolDownMs;
    for (const [key, hot] of this.#shapes) if (!hot.warm && hot.lastAsked < oldest) this.#shapes.delete(key);
    const idle = [...table.in('pooled')].filter(([, { guest }]) => !this.#shapes.has(shapeKey(guest.shape)));
    // One look gives at most two guests up: freed memory shows only after a moment.
    const surplus = this.#short ? [...table.in('pooled')].slice(0, 2) : idle;
    await Promise.all(surplus.map(([id]) => this.#lifecycle.end(id, GIVEN_UP)));
    if (wasShort && !this.#short) this.#wake(0);
  }

  /** Keeps hold of background work until it is over. */
  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.#parts.settings.logger.warn({ err: error }, 'The pool could not be looked after.'),
      )
      .finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}
