import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from './gate.ts';

const { signal } = new AbortController();

describe('a gate', () => {
  it('lets no more in than it is wide, in the order they came', async () => {
    const gate = new Gate(2);
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    const visit = (n: number) =>
      gate.run(signal, async () => {
        order.push(n);
        inside += 1;
        most = Math.max(most, inside);
        await new Promise(setImmediate);
        inside -= 1;
      });
    await Promise.all([1, 2, 3, 4, 5].map(visit));
    assert.deepEqual(order, [1, 2, 3, 4, 5]);
    assert.equal(most, 2);
  });

  it('lets the next one in when one fails, and forgets who gave up waiting', async () => {
    const gate = new Gate(1);
    const impatient = new AbortController();
    const first = gate.run(signal, () => Promise.reject(new Error('failed')));
    const second = gate.run(impatient.signal, () => Promise.resolve('never'));
    const third = gate.run(signal, () => Promise.resolve('in'));
    impatient.abort(new Error('gave up'));
    await assert.rejects(first, /failed/);
    await assert.rejects(second, /gave up/);
    assert.equal(await third, 'in');
  });
});
