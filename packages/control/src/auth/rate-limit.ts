import { AtollError } from '@atoll/contract';

/** A token bucket: `burst` requests at once, refilled with `perSecond`. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** What to tell the caller of its bucket. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the bucket is full again. */
  readonly resetSeconds: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Buckets that have refilled say nothing; they are dropped when there are this many. */
const SWEEP_AT = 10_000;

/** Token buckets by name. */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one token of the bucket. Throws `rate_limited` when it is empty. `now`: milliseconds, never backwards. */
  take(name: string, limit: RateLimit, now = performance.now()): RateState {
    if (this.#buckets.size >= SWEEP_AT) this.#sweep(limit, now);
    const bucket = this.#buckets.get(name) ?? { tokens: limit.burst, at: now };
    bucket.tokens = Math.min(limit.burst, bucket.tokens + ((now - bucket.at) / 1000) * limit.perSecond);
    bucket.at = now;
    this.#buckets.set(name, bucket);
    if (bucket.tokens < 1) {
      const seconds = Math.max(1, Math.ceil((1 - bucket.tokens) / limit.perSecond));
      throw new AtollError(
        'rate_limited',
        `Too many requests: at most ${limit.perSecond} a second (${limit.burst} at once) of this kind. Wait ${seconds} s.`,
        { retryAfterSeconds: seconds },
      );
    }
    bucket.tokens -= 1;
    return {
      limit: limit.burst,
      remaining: Math.floor(bucket.tokens),
      resetSeconds: Math.ceil((limit.burst - bucket.tokens) / limit.perSecond),
    };
  }

  #sweep(limit: RateLimit, now: number): void {
    const refillMs = (limit.burst / limit.perSecond) * 1000;
    for (const [name, bucket] of this.#buckets) {
      if (now - bucket.at > refillMs) this.#buckets.delete(name);
    }
  }
}
