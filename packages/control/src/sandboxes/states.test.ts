import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLegalTransition, isOver, SANDBOX_STATES, type SandboxState, statesBefore, visibleState } from './states.ts';

// Written out by hand, cell by cell, so that a change of the table is a change here too.
const LEGAL: Readonly<Record<SandboxState, readonly SandboxState[]>> = {
  starting: ['running', 'failed'],
  running: ['pausing', 'snapshotting', 'killing', 'failed'],
  pausing: ['running', 'paused', 'failed'],
  paused: ['resuming', 'killing'],
  resuming: ['running', 'paused', 'failed'],
  snapshotting: ['running', 'failed'],
  killing: ['gone'],
  gone: [],
  failed: [],
};

for (const from of SANDBOX_STATES) {
  for (const to of SANDBOX_STATES) {
    const legal = LEGAL[from].includes(to);
    test(`a sandbox that is ${from} ${legal ? 'may' : 'may not'} become ${to}`, () => {
      assert.equal(isLegalTransition(from, to), legal);
      assert.equal(statesBefore(to).includes(from), legal);
    });
  }
}

test('only gone and failed are the end', () => {
  assert.deepEqual(
    SANDBOX_STATES.filter((state) => isOver(state)),
    ['gone', 'failed'],
  );
});

test('clients see running and paused, and nothing of what starts or ends', () => {
  const seen = Object.fromEntries(SANDBOX_STATES.map((state) => [state, visibleState(state)]));
  assert.deepEqual(seen, {
    starting: undefined,
    running: 'running',
    pausing: 'paused',
    paused: 'paused',
    resuming: 'paused',
    snapshotting: 'running',
    killing: undefined,
    gone: undefined,
    failed: undefined,
  });
});
