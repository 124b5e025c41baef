import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostAtOnce, sampleUsage } from './usage.ts';

const LIVES = [
  { startedAt: 0, endedAt: 12_000 },
  { startedAt: 6000, endedAt: undefined },
  { startedAt: 12_000, endedAt: 14_000 },
];

test('samples count what runs at their moment and what started in their step', () => {
  assert.deepEqual(sampleUsage(LIVES, { start: 0, end: 15_000 }), [
    { timestamp: 0, concurrentSandboxes: 1, sandboxStartRate: 0.2 },
    { timestamp: 5000, concurrentSandboxes: 1, sandboxStartRate: 0 },
    { timestamp: 10_000, concurrentSandboxes: 2, sandboxStartRate: 0.2 },
    { timestamp: 15_000, concurrentSandboxes: 1, sandboxStartRate: 0.2 },
  ]);
});

test('a long range is sampled a bounded number of times', () => {
  assert.ok(sampleUsage(LIVES, { start: 0, end: 365 * 24 * 3600 * 1000 }).length <= 501);
});

test('the most at once is found exactly, with one that ends making room for one that starts', () => {
  assert.deepEqual(mostAtOnce(LIVES, { start: 0, end: 15_000 }), { timestamp: 6000, value: 2 });
  assert.deepEqual(mostAtOnce(LIVES, { start: 13_000, end: 15_000 }), { timestamp: 13_000, value: 2 });
  assert.deepEqual(mostAtOnce([], { start: 5, end: 9 }), { timestamp: 5, value: 0 });
});
