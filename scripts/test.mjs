// `npm test`: sets up all it needs, then runs every check there is. The last line counts: N passed, N failed.
//   node scripts/test.mjs [--only types|lint|tests|conformance]… [file.test.ts…]
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BootstrapError, installHostTools, installPackages, PROJECT_NODE, ROOT, TEST_TOOLS } from './bootstrap.mjs';

/** Test files at once. More than the cores of a small machine make deadlines miss. */
const CONCURRENCY = 2;
/** The longest any test may take; one that hangs must not hang the run. */
const TEST_DEADLINE_MS = 240_000;
const TEST_FOLDERS = ['packages', 'templates', 'conformance', 'bench'];

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const environment = { ...process.env, ATOLL_CACHE_DIR: process.env.ATOLL_CACHE_DIR ?? '/var/cache/atoll' };
const totals = { passed: 0, failed: 0 };

/** Runs a program of the project and returns its exit code and what it printed, which is shown too. */
async function run(program, args) {
  const child = spawn(program, args, { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const interrupt = () => child.kill('SIGTERM');
  process.on('SIGINT', interrupt);
  const output = [];
  child.stdout.on('data', (chunk) => {
    output.push(chunk);
    process.stdout.write(chunk);
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
  process.off('SIGINT', interrupt);
  return { code, output: Buffer.concat(output).toString() };
}

/** A check that passes or fails as a whole. */
async function check(program, ...args) {
  const { code } = await run(join(ROOT, 'node_modules/.bin', program), args);
  totals[code === 0 ? 'passed' : 'failed'] += 1;
}

/** A program that counts by itself and says so in a line `… N passed, N failed …`. */
async function counted(...args) {
  const { code, output } = await run(PROJECT_NODE, ['--disable-warning=ExperimentalWarning', ...args]);
  const count = [...output.matchAll(/(\d+) passed, (\d+) failed/g)].at(-1);
  totals.passed += Number(count?.[1] ?? 0);
  totals.failed += Number(count?.[2] ?? 0);
  // A program that fails without a failure counted (or without a count) is a failure of its own.
  if (code !== 0 && Number(count?.[2] ?? 0) === 0) totals.failed += 1;
}

async function unitTests() {
  const files = positionals.length > 0 ? positionals : TEST_FOLDERS.flatMap(testFiles).sort();
  await counted(
    '--test',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${TEST_DEADLINE_MS}`,
    '--test-force-exit',
    `--test-reporter=${join(ROOT, 'scripts/test-reporter.mjs')}`,
    ...files,
  );
}

function testFiles(folder) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

const STAGES = {
  types: () => check('tsc', '-b'),
  lint: () => check('biome', 'ci', '--colors=off', '.'),
  tests: unitTests,
  conformance: async () => {
    if (existsSync(join(ROOT, 'conformance/main.ts'))) await counted('conformance/main.ts');
  },
};

async function main() {
  await installPackages();
  await installHostTools(TEST_TOOLS);
  // runsc, guest programs and the base template's files, in the cache that all tests share.
  const prepared = await run(join(ROOT, 'atoll'), ['prepare']);
  if (prepared.code !== 0) throw new BootstrapError('The set-up failed; see above.');
  const stages = positionals.length > 0 ? ['tests'] : (values.only ?? Object.keys(STAGES));
  for (const name of stages) {
    const began = Date.now();
    process.stdout.write(`\n── ${name}\n`);
    await STAGES[name]();
    process.stdout.write(`── ${name}: ${((Date.now() - began) / 1000).toFixed(0)} s\n`);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof BootstrapError ? error.message : error.stack}\n`);
  totals.failed += 1;
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed === 0 ? 0 : 1;
