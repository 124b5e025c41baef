import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AtollError } from '@atoll/contract';
import { RateLimiter } from './rate-limit.ts';

const LIMIT = { perSecond: 2, burst: 4 };

test('a bucket gives its burst at once, then refuses with the whole seconds to wait, and refills with time', () => {
  const limiter = new RateLimiter();
  const left = [1, 2, 3, 4].map(() => limiter.take('a', LIMIT, 0).remaining);
  assert.deepEqual(left, [3, 2, 1, 0]);
  assert.throws(
    () => limiter.take('a', LIMIT, 0),
    (error: unknown) => error instanceof AtollError && error.code === 'rate_limited' && error.retryAfterSeconds === 1,
  );
  assert.equal(limiter.take('a', LIMIT, 500).remaining, 0);
  assert.equal(limiter.take('a', LIMIT, 60_000).remaining, 3);
});

test('buckets of different names do not touch one another', () => {
  const limiter = new RateLimiter();
  for (let index = 0; index < 4; index += 1) limiter.take('a', LIMIT, 0);
  assert.equal(limiter.take('b', LIMIT, 0).remaining, 3);
});
