import { countHost, type HostCount } from '../conformance/host-count.ts';
import type { Bench } from './measurement.ts';
import { timed } from './statistics.ts';

const PARALLEL = 4;
const SETTLE_DEADLINE_MS = 20_000;
const SETTLE_STEP_MS = 500;

/** Creates and kills many times, then compares what the instance has on the host with what it had before. */
export async function cycles(bench: Bench): Promise<void> {
  const total = bench.quick ? 50 : 1_000;
  const { client, atoll } = bench;
  await bench.poolFull();
  const before = await countHost(atoll);
  let started = 0;
  let errors = 0;
  const milliseconds = await timed(() =>
    Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        while (started < total) {
          started += 1;
          try {
            await client.kill(await client.create());
          } catch (error) {
            errors += 1;
            process.stderr.write(`cycle: ${error instanceof Error ? error.message : String(error)}\n`);
          }
        }
      }),
    ),
  );
  await bench.poolFull();
  const after = await settled(bench, before);
  bench.report({
    name: `create and kill, ${total} cycles, ${PARALLEL} at a time`,
    unit: 'per s',
    value: (total / milliseconds) * 1_000,
    errors,
  });
  for (const name of Object.keys(before) as (keyof HostCount)[])
    bench.report({
      name: `${name}: ${before[name]} before, ${after[name]} after ${total} cycles`,
      unit: 'count',
      value: after[name] - before[name],
      aim: name === 'diskKiB' || name === 'openFiles' ? 'no growth with cycles' : '0',
    });
}

/** The last kills are still being cleaned up when they are answered; gives them a bounded time. */
async function settled(bench: Bench, before: HostCount): Promise<HostCount> {
  const end = Date.now() + SETTLE_DEADLINE_MS;
  for (;;) {
    const now = await countHost(bench.atoll);
    const grown = (Object.keys(before) as (keyof HostCount)[]).some(
      (name) => name !== 'diskKiB' && name !== 'openFiles' && now[name] > before[name],
    );
    if (!grown || Date.now() > end) return now;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}
