import type { OwnedAtoll } from '../conformance/atoll.ts';
import type { BenchClient, Sandbox } from './client.ts';
import { type Distribution, distribution } from './statistics.ts';

/** One line of the bench's output. */
export interface Measurement {
  readonly name: string;
  readonly unit: 'ms' | 'MB/s' | 'per s' | 'MiB' | 'count';
  /** A distribution of samples, or one number. */
  readonly value: Distribution | number;
  /** What the design aims at, in words. */
  readonly aim?: string;
  /** Errors met while measuring; 0 when every attempt succeeded. */
  readonly errors?: number;
}

/** What every section of the bench gets. */
export interface Bench {
  readonly atoll: OwnedAtoll;
  readonly client: BenchClient;
  /** Fewer repetitions: a look, not a result. */
  readonly quick: boolean;
  /** Waits until the pool of ready sandboxes is full. */
  poolFull(): Promise<void>;
  report(measurement: Measurement): void;
}

/** Repeats something one after another and reports the distribution of its times. */
export async function measure(
  bench: Bench,
  name: string,
  count: number,
  work: (i: number) => Promise<number>,
  aim?: string,
): Promise<void> {
  const samples: number[] = [];
  let errors = 0;
  for (let i = 0; i < count; i += 1) {
    try {
      samples.push(await work(i));
    } catch (error) {
      errors += 1;
      process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  bench.report({ name, unit: 'ms', value: distribution(samples), errors, ...(aim === undefined ? {} : { aim }) });
}

/** Lends a sandbox and kills it afterwards. */
export async function withSandbox<T>(bench: Bench, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = await bench.client.create();
  try {
    return await work(sandbox);
  } finally {
    await bench.client.kill(sandbox);
  }
}
