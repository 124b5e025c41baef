import { randomBytes } from 'node:crypto';
import { type Bench, measure, withSandbox } from './measurement.ts';
import { distribution, timed } from './statistics.ts';

const MEGABYTE = 1_000_000;
const LARGE_BYTES = 100 * MEGABYTE;
const SMALL_FILES = 1_000;
const PARALLEL = 16;

/** One large stream both ways, a thousand small files both ways, and single 1 KiB files. */
export async function files(bench: Bench): Promise<void> {
  const { client, quick } = bench;
  await withSandbox(bench, async (sandbox) => {
    const large = randomBytes(LARGE_BYTES);
    const small = randomBytes(1_024);
    const rates = { up: [] as number[], down: [] as number[] };
    for (let i = 0; i < (quick ? 2 : 5); i += 1) {
      const up = await timed(() => client.upload(sandbox, '/home/user/large', large));
      const down = await timed(async () => {
        const bytes = await client.download(sandbox, '/home/user/large');
        if (bytes !== LARGE_BYTES) throw new Error(`${bytes} of ${LARGE_BYTES} bytes came back`);
      });
      rates.up.push(LARGE_BYTES / MEGABYTE / (up / 1_000));
      rates.down.push(LARGE_BYTES / MEGABYTE / (down / 1_000));
    }
    bench.report({ name: 'upload of 100 MB', unit: 'MB/s', value: distribution(rates.up), aim: '>= 300 MB/s' });
    bench.report({ name: 'download of 100 MB', unit: 'MB/s', value: distribution(rates.down), aim: '>= 300 MB/s' });

    const count = quick ? 100 : 300;
    const path = '/home/user/kibibyte';
    await measure(
      bench,
      'upload of 1 KiB',
      count,
      () => timed(() => client.upload(sandbox, path, small)),
      'p50 <= 5 ms',
    );
    await measure(bench, 'download of 1 KiB', count, () => timed(() => client.download(sandbox, path)), 'p50 <= 5 ms');

    const all = async (work: (i: number) => Promise<unknown>): Promise<number> => {
      let next = 0;
      return timed(() =>
        Promise.all(
          Array.from({ length: PARALLEL }, async () => {
            while (next < SMALL_FILES) {
              next += 1;
              await work(next);
            }
          }),
        ),
      );
    };
    const up = await all((i) => client.upload(sandbox, `/home/user/small/${i}`, small));
    bench.report({ name: `upload of ${SMALL_FILES} files of 1 KiB, ${PARALLEL} at a time`, unit: 'ms', value: up });
    const down = await all((i) => client.download(sandbox, `/home/user/small/${i}`));
    bench.report({ name: `download of ${SMALL_FILES} files of 1 KiB, ${PARALLEL} at a time`, unit: 'ms', value: down });
  });
}
