import { AtollError, type Resources } from '@atoll/contract';
import type { Slot } from '../network/slots.ts';
import type { MetricSeries } from '../records/metric-series.ts';
import type { SandboxLog } from '../records/sandbox-log.ts';
import type { SandboxDisk } from '../storage/disks.ts';
import type { Assignment } from './manifest.ts';

/** What a sandbox is made from: two reservations of one shape are interchangeable. */
export interface Shape {
  readonly buildId: string;
  readonly resources: Resources;
}

/** One text for each shape. */
export function shapeKey({ buildId, resources }: Shape): string {
  return `${buildId} ${resources.cpuCount} ${resources.memoryMiB} ${resources.diskMiB}`;
}

/** A guest whose envd has answered, with the places it lives in. */
export interface ReadyGuest {
  readonly id: string;
  readonly shape: Shape;
  readonly slot: Slot;
  readonly disk: SandboxDisk;
}

/** A sandbox that belongs to somebody. */
export interface LiveSandbox extends ReadyGuest {
  assignment: Assignment;
  readonly log: SandboxLog;
  readonly metrics: MetricSeries;
  /** Of `GuestUsage.oomKills`, those already reported. */
  oomKillsSeen: number;
}

/** What a sandbox is doing now. */
export type SandboxState =
  | { readonly kind: 'named'; readonly shape: Shape; readonly lapse: NodeJS.Timeout }
  | { readonly kind: 'filling'; readonly shape: Shape; readonly settled: Promise<void> }
  | { readonly kind: 'pooled'; readonly guest: ReadyGuest }
  | { readonly kind: 'reserved'; readonly guest: ReadyGuest; readonly lapse: NodeJS.Timeout }
  | {
      readonly kind: 'starting';
      readonly shape: Shape;
      readonly abort: AbortController;
      readonly settled: Promise<void>;
    }
  | { readonly kind: 'running'; readonly sandbox: LiveSandbox }
  | { readonly kind: 'ending'; readonly done: Promise<void> };

type Kind = SandboxState['kind'];

/**
 * Every legal transition. `none`: the table does not know the sandbox.
 *
 * | from | to | when |
 * |---|---|---|
 * | none | named | reserved, and no ready guest fits |
 * | none | filling | the pool makes a guest |
 * | none | pooled, running | taken over from an earlier process |
 * | named | starting, none | started; reservation lapsed |
 * | filling | pooled, none | ready; failed |
 * | pooled | reserved, ending | handed out; given up |
 * | reserved | starting, pooled, ending | started; reservation lapsed; killed |
 * | starting | running, none | envd answered; failed and undone |
 * | running | ending | killed or died |
 * | ending | none | all removed |
 */
const LEGAL: Readonly<Record<Kind | 'none', readonly (Kind | 'none')[]>> = {
  none: ['named', 'filling', 'pooled', 'running'],
  named: ['starting', 'none'],
  filling: ['pooled', 'none'],
  pooled: ['reserved', 'ending'],
  reserved: ['starting', 'pooled', 'ending'],
  starting: ['running', 'none'],
  running: ['ending'],
  ending: ['none'],
};

/** The states of all sandboxes of a node, and the one place where they change. */
export class SandboxTable {
  readonly #states = new Map<string, SandboxState>();

  get(id: string): SandboxState | undefined {
    return this.#states.get(id);
  }

  /** Moves a sandbox to another state. Throws when the transition is not legal: that is a bug of ours. */
  set(id: string, state: SandboxState): void {
    this.#check(id, state.kind);
    this.#states.set(id, state);
  }

  /** Forgets a sandbox that has nothing left on the host. */
  remove(id: string): void {
    this.#check(id, 'none');
    this.#states.delete(id);
  }

  /** All sandboxes in one state. */
  *in<K extends Kind>(kind: K): Generator<[string, Extract<SandboxState, { kind: K }>]> {
    for (const [id, state] of this.#states) {
      // The comparison has just shown which member of the union it is.
      if (state.kind === kind) yield [id, state as Extract<SandboxState, { kind: K }>];
    }
  }

  count(kind: Kind): number {
    let count = 0;
    for (const _ of this.in(kind)) count += 1;
    return count;
  }

  running(id: string): LiveSandbox | undefined {
    const state = this.#states.get(id);
    return state?.kind === 'running' ? state.sandbox : undefined;
  }

  *allRunning(): Generator<LiveSandbox> {
    for (const [, state] of this.in('running')) yield state.sandbox;
  }

  #check(id: string, to: Kind | 'none'): void {
    const from = this.#states.get(id)?.kind ?? 'none';
    if (LEGAL[from].includes(to)) return;
    throw new AtollError('internal_server_error', `Sandbox ${id} cannot go from ${from} to ${to}.`);
  }
}
