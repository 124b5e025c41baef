import { join } from 'node:path';
import type { SandboxMetric } from '@atoll/contract';
import { SegmentedLog } from './segmented-log.ts';

/** A sample is about 150 bytes: 512 KiB a segment holds 3,500 of them, nearly 5 hours at one every 5 s. */
const FINE_BOUNDS = { segmentBytes: 512 * 1024, maxSegments: 2 };

/** One sample a minute: two segments hold 5 days or more. */
const COARSE_BOUNDS = { segmentBytes: 1024 * 1024, maxSegments: 2 };
const COARSE_STEP_MS = 60_000;

const HOUR_MS = 60 * 60_000;

/** Distance between the samples of an answer, by the range asked for (as upstream: control API, metrics). */
const STEPS: readonly { readonly rangeBelowMs: number; readonly stepMs: number }[] = [
  { rangeBelowMs: HOUR_MS, stepMs: 5_000 },
  { rangeBelowMs: 6 * HOUR_MS, stepMs: 30_000 },
  { rangeBelowMs: 12 * HOUR_MS, stepMs: 60_000 },
  { rangeBelowMs: 24 * HOUR_MS, stepMs: 120_000 },
  { rangeBelowMs: 7 * 24 * HOUR_MS, stepMs: 300_000 },
  { rangeBelowMs: Number.POSITIVE_INFINITY, stepMs: 900_000 },
];

/** The samples of one sandbox, on disk: every one of the last hours, one a minute of the last days. */
export class MetricSeries {
  readonly #fine: SegmentedLog<SandboxMetric>;
  readonly #coarse: SegmentedLog<SandboxMetric>;
  #lastCoarse = 0;
  #latest: SandboxMetric | undefined;

  constructor(sandboxFolder: string) {
    this.#fine = new SegmentedLog(join(sandboxFolder, 'metrics'), FINE_BOUNDS);
    this.#coarse = new SegmentedLog(join(sandboxFolder, 'metrics-by-minute'), COARSE_BOUNDS);
  }

  async add(sample: SandboxMetric): Promise<void> {
    this.#latest = sample;
    await this.#fine.append([sample]);
    if (sample.timestamp - this.#lastCoarse < COARSE_STEP_MS) return;
    this.#lastCoarse = sample.timestamp;
    await this.#coarse.append([sample]);
  }

  async latest(): Promise<SandboxMetric | undefined> {
    return this.#latest ?? (await this.#fine.read()).at(-1);
  }

  /** Samples of a range, oldest first, thinned out to the step that fits its length. */
  async between(range: { start: number; end: number }): Promise<SandboxMetric[]> {
    const fine = await this.#fine.read();
    const fineFrom = fine[0]?.timestamp ?? Number.POSITIVE_INFINITY;
    const older = range.start < fineFrom ? (await this.#coarse.read()).filter((s) => s.timestamp < fineFrom) : [];
    return thinOut([...older, ...fine], range);
  }

  /** Takes no more samples, so that the folder can be deleted. */
  async close(): Promise<void> {
    await Promise.all([this.#fine.close(), this.#coarse.close()]);
  }
}

/** The samples inside a range, at most one in each step (counted from the start of the range). */
export function thinOut(samples: readonly SandboxMetric[], range: { start: number; end: number }): SandboxMetric[] {
  const length = range.end - range.start;
  const stepMs = STEPS.find((step) => length < step.rangeBelowMs)?.stepMs ?? 0;
  // The shortest step is that of sampling itself: every sample is meant, a jitter of some milliseconds loses none.
  if (stepMs <= 5_000) return samples.filter((s) => s.timestamp >= range.start && s.timestamp <= range.end);
  const selected: SandboxMetric[] = [];
  let nextStep = Number.NEGATIVE_INFINITY;
  for (const sample of samples) {
    if (sample.timestamp < range.start || sample.timestamp > range.end) continue;
    const step = Math.floor((sample.timestamp - range.start) / stepMs);
    if (step < nextStep) continue;
    nextStep = step + 1;
    selected.push(sample);
  }
  return selected;
}
