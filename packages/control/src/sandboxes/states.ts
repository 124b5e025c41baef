/**
 * The states of a sandbox and the legal transitions between them. Everything that changes a state asks here, and the
 * store carries the change out as a compare-and-set on the state it came from.
 *
 * | from \ to    | running | pausing | paused | resuming | snapshotting | killing | gone | failed |
 * |--------------|---------|---------|--------|----------|--------------|---------|------|--------|
 * | starting     | ready   |         |        |          |              |         |      | failed |
 * | running      |         | pause   |        |          | snapshot     | kill    |      | died   |
 * | pausing      | undone  |         | done   |          |              |         |      | died   |
 * | paused       |         |         |        | resume   |              | kill    |      |        |
 * | resuming     | ready   |         | undone |          |              |         |      | failed |
 * | snapshotting | done    |         |        |          |              |         |      | died   |
 * | killing      |         |         |        |          |              |         | done |        |
 * | gone, failed |         |         |        |          |              |         |      |        |
 *
 * A sandbox that dies while it is being killed ends as `gone`: it was asked for. `gone` and `failed` rows stay as
 * tombstones that tell why.
 */
const TRANSITIONS = {
  starting: ['running', 'failed'],
  running: ['pausing', 'snapshotting', 'killing', 'failed'],
  pausing: ['running', 'paused', 'failed'],
  paused: ['resuming', 'killing'],
  resuming: ['running', 'paused', 'failed'],
  snapshotting: ['running', 'failed'],
  killing: ['gone'],
  gone: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

export type SandboxState = keyof typeof TRANSITIONS;

export const SANDBOX_STATES = Object.keys(TRANSITIONS) as readonly SandboxState[];

/** Whether the table allows the change. */
export function isLegalTransition(from: SandboxState, to: SandboxState): boolean {
  return (TRANSITIONS[from] as readonly SandboxState[]).includes(to);
}

/** The states from which the table allows a change to `to`. */
export function statesBefore(to: SandboxState): SandboxState[] {
  return SANDBOX_STATES.filter((from) => isLegalTransition(from, to));
}

/** True for the states that nothing leaves. */
export function isOver(state: SandboxState): boolean {
  return TRANSITIONS[state].length === 0;
}

/** What clients see: `pausing` counts as paused, `snapshotting` as running; undefined is not shown at all. */
export function visibleState(state: SandboxState): 'running' | 'paused' | undefined {
  if (state === 'running' || state === 'snapshotting') return 'running';
  if (state === 'pausing' || state === 'paused' || state === 'resuming') return 'paused';
  return undefined;
}

/** The states behind each state that clients see. */
export function statesSeenAs(visible: 'running' | 'paused'): SandboxState[] {
  return SANDBOX_STATES.filter((state) => visibleState(state) === visible);
}
