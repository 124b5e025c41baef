/**
 * Runs every operation with one installed version of the JavaScript SDK, as a program of its own:
 * `node driver.mjs <folder with node_modules/e2b> [operation...]`. Plain JavaScript, like the users' programs:
 * it must run against the types of every version. Reports one JSON line per operation (conformance/README.md).
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createContext, NotApplicable } from './context.mjs';
import * as base from './operations/base.mjs';
import * as commands from './operations/commands.mjs';
import * as files from './operations/files.mjs';
import * as git from './operations/git.mjs';
import * as lifecycle from './operations/lifecycle.mjs';
import * as network from './operations/network.mjs';
import * as ports from './operations/ports.mjs';
import * as pty from './operations/pty.mjs';
import * as urls from './operations/urls.mjs';
import * as watch from './operations/watch.mjs';

/** No operation needs longer on a busy machine; a hanging one must not hold the rest up. */
const OPERATION_DEADLINE_MS = 45_000;

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: driver.mjs <folder with node_modules/e2b> [operation...]');
const require = createRequire(pathToFileURL(join(folder, 'package.json')));
const sdk = require('e2b');
const { version } = require('e2b/package.json');

const operations = Object.assign(
  {},
  ...[lifecycle, commands, pty, files, watch, git, urls, ports, network, base].map((module) => module.operations),
);
const names = Object.keys(operations).filter((name) => wanted.length === 0 || wanted.includes(name));
const context = createContext({ sdk, version });

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
report({ plan: names });
for (const name of names) {
  const started = performance.now();
  const result = await attempt(operations[name]);
  report({ operation: name, ...result, ms: Math.round(performance.now() - started) });
}
await context.close();
process.exit(0);

async function attempt(operation) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${OPERATION_DEADLINE_MS} ms`)), OPERATION_DEADLINE_MS);
  });
  try {
    await Promise.race([operation(context), deadline]);
    return { status: 'pass' };
  } catch (error) {
    if (error instanceof NotApplicable) return { status: 'n.a.', reason: error.message };
    return { status: 'fail', reason: describe(error) };
  } finally {
    clearTimeout(timer);
  }
}

function describe(error) {
  const where = /operations\/[\w-]+\.mjs:\d+/.exec(String(error?.stack))?.[0];
  const cause = error?.cause === undefined ? '' : ` (cause: ${error.cause?.message ?? error.cause})`;
  return `${error?.name}: ${error?.message}${cause}${where === undefined ? '' : ` at ${where}`}`.slice(0, 900);
}
