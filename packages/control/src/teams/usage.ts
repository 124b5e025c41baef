/** When a sandbox began and ended; no end: it lives. Unix milliseconds. */
export interface Lifetime {
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

/** A team's use at one moment. */
export interface UsageSample {
  /** Unix milliseconds. */
  readonly timestamp: number;
  readonly concurrentSandboxes: number;
  /** Starts a second, in the step that ends at `timestamp`. */
  readonly sandboxStartRate: number;
}

const MAX_SAMPLES = 500;
const MIN_STEP_MS = 5000;

/** Samples between two moments, at most 500, made from when sandboxes began and ended: nothing is recorded twice. */
export function sampleUsage(lifetimes: readonly Lifetime[], range: { start: number; end: number }): UsageSample[] {
  const step = Math.max(MIN_STEP_MS, Math.ceil((range.end - range.start) / MAX_SAMPLES));
  const samples: UsageSample[] = [];
  for (let timestamp = range.start; timestamp <= range.end; timestamp += step) {
    const concurrentSandboxes = lifetimes.filter((life) => runsAt(life, timestamp)).length;
    const starts = lifetimes.filter((life) => life.startedAt > timestamp - step && life.startedAt <= timestamp).length;
    samples.push({ timestamp, concurrentSandboxes, sandboxStartRate: starts / (step / 1000) });
  }
  return samples;
}

/** When most sandboxes ran at once between two moments, and how many. It is reached at a start, or at the beginning. */
export function mostAtOnce(
  lifetimes: readonly Lifetime[],
  range: { start: number; end: number },
): { timestamp: number; value: number } {
  const changes = lifetimes.flatMap((life) => [
    { at: Math.max(life.startedAt, range.start), by: 1 },
    ...(life.endedAt === undefined ? [] : [{ at: life.endedAt, by: -1 }]),
  ]);
  // At the same moment an end counts before a start.
  changes.sort((one, other) => one.at - other.at || one.by - other.by);
  let running = 0;
  let most = { timestamp: range.start, value: 0 };
  for (const change of changes) {
    running += change.by;
    if (running > most.value && change.at <= range.end) most = { timestamp: change.at, value: running };
  }
  return most;
}

function runsAt(life: Lifetime, moment: number): boolean {
  return life.startedAt <= moment && (life.endedAt === undefined || life.endedAt > moment);
}
