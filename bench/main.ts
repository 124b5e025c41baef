/**
 * Measures an Atoll on this machine.
 *
 *   npm run bench -- [--quick] [--json] [--section <name>]
 *
 * Starts an instance of its own with a pool of 24, and at the end once more without a pool. Needs root, like Atoll.
 */
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { type OwnedAtoll, startAtoll } from '../conformance/atoll.ts';
import { countFrozen } from '../conformance/host-count.ts';
import { BenchClient } from './client.ts';
import { commands } from './commands.ts';
import { creationAtOnce, creationOneByOne } from './creation.ts';
import { cycles } from './cycles.ts';
import { files } from './files.ts';
import type { Bench, Measurement } from './measurement.ts';
import { memory } from './memory.ts';
import { officialClient } from './official-client.ts';

/** Our own loopback address, not the one of the conformance runs. */
const ADDRESS = '127.0.0.78';
const POOL_SIZE = 24;
const POOL_DEADLINE_MS = 60_000;
const POOL_STEP_MS = 100;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    section: { type: 'string' },
  },
});

const SECTIONS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  create: creationOneByOne,
  'at-once': (bench) => creationAtOnce(bench, 'a full pool'),
  sdk: officialClient,
  commands,
  files,
  memory,
  cycles,
};

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  kernel: release(),
  node: process.version,
};
const measurements: Measurement[] = [];
if (!options.json)
  process.stdout.write(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}\n\n`);

const owned = await startAtoll({ address: ADDRESS, settings: { 'pool-size': String(POOL_SIZE), 'log-level': 'warn' } });
try {
  await runOn(owned, POOL_SIZE, Object.keys(SECTIONS));
  if (options.section === undefined || options.section === 'at-once-empty') {
    await owned.down();
    const empty = await owned.start({ 'pool-size': '0' });
    await runOn(empty, 0, []);
  }
} finally {
  await owned.remove();
}
if (options.json) process.stdout.write(`${JSON.stringify({ machine, measurements }, null, 2)}\n`);

async function runOn(atoll: OwnedAtoll, poolSize: number, names: readonly string[]): Promise<void> {
  const client = new BenchClient(atoll);
  const bench: Bench = {
    atoll,
    client,
    quick: options.quick,
    poolFull: () => poolFull(atoll, poolSize),
    report: (measurement) => {
      measurements.push(measurement);
      if (!options.json) process.stdout.write(`${line(measurement)}\n`);
    },
  };
  try {
    if (poolSize === 0) await creationAtOnce(bench, 'an empty pool');
    for (const name of names) {
      if (options.section !== undefined && options.section !== name) continue;
      await SECTIONS[name]?.(bench).catch((error: unknown) => {
        process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
        process.exitCode = 1;
      });
    }
  } finally {
    client.close();
  }
}

/** Seen from outside: as many frozen sandboxes as the pool is large. */
async function poolFull(atoll: OwnedAtoll, poolSize: number): Promise<void> {
  if (poolSize === 0) return;
  const end = Date.now() + POOL_DEADLINE_MS;
  while ((await countFrozen(atoll.instance)) < poolSize) {
    if (Date.now() > end) throw new Error(`the pool was not full within ${POOL_DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POOL_STEP_MS));
  }
}

function line({ name, unit, value, aim, errors }: Measurement): string {
  const digits = unit === 'ms' || unit === 'MiB' ? 1 : 0;
  const numbers =
    typeof value === 'number'
      ? `${value.toFixed(digits)} ${unit}`
      : `p50 ${value.p50.toFixed(digits)}  p95 ${value.p95.toFixed(digits)}  p99 ${value.p99.toFixed(digits)} ${unit}  n=${value.count}`;
  const failed = errors === undefined || errors === 0 ? '' : `  ERRORS ${errors}`;
  return `${name.padEnd(58)}  ${numbers}${failed}${aim === undefined ? '' : `  (aim: ${aim})`}`;
}
