import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBatchQueue } from './batch-queue.ts';

test('what is asked for together, or while a batch runs, goes in one batch', async () => {
  const batches: number[][] = [];
  const queue = createBatchQueue<number>(async (items) => {
    batches.push([...items]);
    if (batches.length === 1) void Promise.all([queue.add(3), queue.add(4)]);
  });
  await Promise.all([queue.add(1), queue.add(2)]);
  await queue.idle();
  assert.deepEqual(batches, [
    [1, 2],
    [3, 4],
  ]);
});

test('an item that cannot be done fails alone', async () => {
  const queue = createBatchQueue<string>(async (items) => {
    if (items.includes('bad')) throw new Error('bad is bad');
  });
  const results = await Promise.allSettled([queue.add('good'), queue.add('bad'), queue.add('better')]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});
