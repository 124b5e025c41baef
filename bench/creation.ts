import type { Sandbox } from './client.ts';
import { type Bench, measure } from './measurement.ts';
import { distribution, timed } from './statistics.ts';

const AT_ONCE = 20;

/** Create to first command done, one at a time: back to back, and with the pool full before each. */
export async function creationOneByOne(bench: Bench): Promise<void> {
  const firstCommand = async (): Promise<number> => {
    let sandbox: Sandbox | undefined;
    try {
      return await timed(async () => {
        sandbox = await bench.client.create();
        await bench.client.run(sandbox, 'true');
      });
    } finally {
      if (sandbox !== undefined) await bench.client.kill(sandbox);
    }
  };
  const name = 'create to first command done';
  await bench.poolFull();
  await measure(bench, `${name}, back to back`, bench.quick ? 20 : 100, firstCommand);
  await measure(
    bench,
    `${name}, one at a time`,
    bench.quick ? 20 : 100,
    async () => {
      await bench.poolFull();
      return firstCommand();
    },
    'p50 <= 40 ms, p95 <= 80 ms',
  );
}

/** 20 creates at once, each to its first command; the last one counts. */
export async function creationAtOnce(bench: Bench, from: 'a full pool' | 'an empty pool'): Promise<void> {
  const rounds = bench.quick ? 1 : 3;
  const each: number[] = [];
  const whole: number[] = [];
  let errors = 0;
  for (let round = 0; round < rounds; round += 1) {
    await bench.poolFull();
    const sandboxes: Sandbox[] = [];
    const one = async (): Promise<void> => {
      const sandbox = await bench.client.create();
      sandboxes.push(sandbox);
      await bench.client.run(sandbox, 'true');
    };
    whole.push(
      await timed(async () => {
        const outcomes = await Promise.allSettled(
          Array.from({ length: AT_ONCE }, async () => each.push(await timed(one))),
        );
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          errors += 1;
          process.stderr.write(`20 at once: ${String(outcome.reason)}\n`);
        }
      }),
    );
    await Promise.all(sandboxes.map((sandbox) => bench.client.kill(sandbox)));
  }
  const aim = from === 'a full pool' ? '<= 1,000 ms' : '<= 2,500 ms';
  bench.report({
    name: `${AT_ONCE} at once from ${from}, all done`,
    unit: 'ms',
    value: distribution(whole),
    errors,
    aim,
  });
  bench.report({ name: `${AT_ONCE} at once from ${from}, each`, unit: 'ms', value: distribution(each) });
}
