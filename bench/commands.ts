import { type Bench, measure, withSandbox } from './measurement.ts';
import { timed } from './statistics.ts';

const PARALLEL = 8;
/** Times spawns inside the guest, where neither the edge nor envd takes part: one figure per line, in milliseconds. */
const SPAWN_TIMER = `import subprocess, time
for _ in range(60):
    started = time.perf_counter()
    subprocess.run(['/bin/bash', '-l', '-c', 'true'])
    print((time.perf_counter() - started) * 1000)
`;

/** Round trips of commands, what the edge and envd add to them, and how many fit into a second. */
export async function commands(bench: Bench): Promise<void> {
  await withSandbox(bench, async (sandbox) => {
    const { client, quick } = bench;
    const repeat = quick ? 50 : 300;
    for (let i = 0; i < 10; i += 1) await client.run(sandbox, 'true'); // warm: caches and connections
    await measure(
      bench,
      'command round trip, `bash -l -c true`',
      repeat,
      () => timed(() => client.run(sandbox, 'true')),
      'p50 <= 15 ms',
    );
    await measure(bench, 'command round trip, /bin/true', repeat, () =>
      timed(() => client.start(sandbox, { cmd: '/bin/true' })),
    );

    await client.upload(sandbox, '/tmp/spawn.py', Buffer.from(SPAWN_TIMER));
    const spawns = (await client.run(sandbox, 'python3 /tmp/spawn.py')).trim().split('\n').map(Number);
    await measure(bench, 'the guest alone, `bash -l -c true`', spawns.length, async (i) => spawns[i] ?? Number.NaN);

    const [address] = (await client.run(sandbox, 'hostname -I')).trim().split(' ');
    const direct = `http://${address}:49983`;
    await measure(bench, 'command round trip, straight to the guest', repeat, () =>
      timed(() => client.run(sandbox, 'true', direct)),
    );
    await measure(bench, 'envd health through the edge', repeat, () => timed(() => client.health(sandbox)));
    await measure(bench, 'envd health, straight to the guest', repeat, () =>
      timed(() => client.health(sandbox, direct)),
    );

    const total = quick ? 200 : 1_000;
    let started = 0;
    const milliseconds = await timed(() =>
      Promise.all(
        Array.from({ length: PARALLEL }, async () => {
          while (started < total) {
            started += 1;
            await client.run(sandbox, 'true');
          }
        }),
      ),
    );
    bench.report({
      name: `commands, ${PARALLEL} at a time, one sandbox`,
      unit: 'per s',
      value: (total / milliseconds) * 1_000,
      aim: '>= 150 per s',
    });
  });
}
