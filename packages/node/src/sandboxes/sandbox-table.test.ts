import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LiveSandbox, type ReadyGuest, type SandboxState, SandboxTable } from './sandbox-table.ts';

const KINDS = ['none', 'named', 'filling', 'pooled', 'reserved', 'starting', 'running', 'ending'] as const;
type Kind = (typeof KINDS)[number];

/** The table of the source, once more: from -> to. */
const LEGAL: readonly string[] = [
  ...['none-named', 'none-filling', 'none-pooled', 'none-running'],
  ...['named-starting', 'named-none', 'filling-pooled', 'filling-none'],
  ...['pooled-reserved', 'pooled-ending', 'reserved-starting', 'reserved-pooled', 'reserved-ending'],
  ...['starting-running', 'starting-none', 'running-ending', 'ending-none'],
];

/** A way of legal transitions from nothing to each state. */
const WAYS: Readonly<Record<Kind, readonly Kind[]>> = {
  none: [],
  named: ['named'],
  filling: ['filling'],
  pooled: ['pooled'],
  reserved: ['pooled', 'reserved'],
  starting: ['named', 'starting'],
  running: ['running'],
  ending: ['running', 'ending'],
};

describe('the states of a sandbox', () => {
  for (const from of KINDS) {
    for (const to of KINDS) {
      const legal = LEGAL.includes(`${from}-${to}`);
      it(`${legal ? 'can' : 'cannot'} go from ${from} to ${to}`, () => {
        const table = new SandboxTable();
        for (const kind of WAYS[from]) move(table, kind);
        if (legal) move(table, to);
        else assert.throws(() => move(table, to), { code: 'internal_server_error' });
        assert.equal(table.get('i')?.kind ?? 'none', legal ? to : from);
      });
    }
  }
});

function move(table: SandboxTable, to: Kind): void {
  if (to === 'none') table.remove('i');
  else table.set('i', stateOf(to));
}

function stateOf(kind: Exclude<Kind, 'none'>): SandboxState {
  const shape = { buildId: 'b', resources: { cpuCount: 1, memoryMiB: 1, diskMiB: 1 } };
  const slot = { index: 0, namespacePath: '', hostInterface: '', address: '', gateway: '' };
  const guest: ReadyGuest = { id: 'i', shape, slot, disk: { rootfs: '', upper: '' } };
  const lapse = setTimeout(() => undefined, 0);
  clearTimeout(lapse);
  const settled = Promise.resolve();
  const states: { [K in SandboxState['kind']]: Extract<SandboxState, { kind: K }> } = {
    named: { kind: 'named', shape, lapse },
    filling: { kind: 'filling', shape, settled },
    pooled: { kind: 'pooled', guest },
    reserved: { kind: 'reserved', guest, lapse },
    starting: { kind: 'starting', shape, abort: new AbortController(), settled },
    // The table never looks inside.
    running: { kind: 'running', sandbox: guest as LiveSandbox },
    ending: { kind: 'ending', done: settled },
  };
  return states[kind];
}
