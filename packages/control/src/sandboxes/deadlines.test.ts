import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Deadlines } from './deadlines.ts';

const START = Date.UTC(2026, 0, 1);
let due: string[];
let deadlines: Deadlines;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START });
  due = [];
  deadlines = new Deadlines((sandboxId) => due.push(sandboxId));
});
afterEach(() => {
  deadlines.close();
  mock.timers.reset();
});

test('deadlines come up in the order of their times, whatever the order they were set in', () => {
  const delays = [500, 100, 300, 200, 400, 250, 50];
  for (const delay of delays) deadlines.set(`s${delay}`, START + delay);
  mock.timers.tick(260);
  assert.deepEqual(due, ['s50', 's100', 's200', 's250']);
  mock.timers.tick(240);
  assert.deepEqual(due.slice(4), ['s300', 's400', 's500']);
  assert.equal(deadlines.size, 0);
});

test('a replaced deadline comes up once, at its new time, and a cleared one never', () => {
  deadlines.set('later', START + 100);
  deadlines.set('later', START + 300);
  deadlines.set('sooner', START + 300);
  deadlines.set('sooner', START + 100);
  deadlines.set('cleared', START + 100);
  deadlines.clear('cleared');
  mock.timers.tick(100);
  assert.deepEqual(due, ['sooner']);
  mock.timers.tick(1000);
  assert.deepEqual(due, ['sooner', 'later']);
});

test('a deadline that has passed comes up at once', () => {
  deadlines.set('overdue', START - 5000);
  mock.timers.tick(1);
  assert.deepEqual(due, ['overdue']);
});

test('a deadline beyond what timers can hold does not come up early', () => {
  const days = 24 * 3600 * 1000;
  deadlines.set('far', START + 60 * days);
  mock.timers.tick(59 * days);
  assert.deepEqual(due, []);
  mock.timers.tick(1 * days);
  assert.deepEqual(due, ['far']);
});

test('a thousand deadlines set, moved and cleared at random all come up once and in order', () => {
  const expected = new Map<string, number>();
  let seed = 7;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
  for (let step = 0; step < 3000; step += 1) {
    const name = `s${random() % 1000}`;
    if (random() % 5 === 0) {
      deadlines.clear(name);
      expected.delete(name);
    } else {
      const at = START + 1 + (random() % 10_000);
      deadlines.set(name, at);
      expected.set(name, at);
    }
  }
  mock.timers.tick(20_000);
  assert.deepEqual([...due].sort(), [...expected.keys()].sort());
  const times = due.map((name) => expected.get(name) ?? 0);
  assert.deepEqual(
    times,
    [...times].sort((one, other) => one - other),
  );
});
