/**
 * Runs the official clients against an Atoll and prints a table client x operation.
 *
 *   npm run conformance -- [--client <part of id>] [--form two-url|domain] [--operation <id>] [--jobs <n>]
 *
 * Starts an Atoll of its own, or uses the one that ATOLL_URL, ATOLL_SANDBOX_URL and ATOLL_API_KEY name. A run of
 * everything also writes conformance/results.json and docs/compatibility.md.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { AddressForm } from './address-form.ts';
import { type Atoll, namedAtoll, type OwnedAtoll, startAtoll } from './atoll.ts';
import { CLIENTS, type Client } from './clients.ts';
import { OPERATIONS } from './operations.ts';
import { findOutside } from './outside.ts';
import { compatibilityPage, resultsByClient, summarise, terminalReport } from './report.ts';
import { type Result, runClient } from './run-client.ts';

/** Our own loopback address: its ports 443 and 53 are free even where the machine's are not. */
const ADDRESS = '127.0.0.77';
/** Sandboxes of three clients at once keep two cores busy without starving each other. */
const DEFAULT_JOBS = 3;

const { values: options } = parseArgs({
  options: {
    client: { type: 'string', multiple: true, default: [] },
    form: { type: 'string' },
    operation: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: String(DEFAULT_JOBS) },
  },
});

const clients = CLIENTS.filter(
  (client) => options.client.length === 0 || options.client.some((part) => client.id.includes(part)),
);
const everything = clients.length === CLIENTS.length && options.form === undefined && options.operation.length === 0;
const folder = await mkdtemp(join(tmpdir(), 'atoll-clients-'));
const owned = namedAtoll() === undefined ? await startOwn() : undefined;
const atoll = namedAtoll() ?? owned;
let results: Result[] = [];
try {
  if (atoll === undefined) throw new Error('there is no Atoll to run against');
  results = await runAll(atoll);
} finally {
  await owned?.remove();
  await rm(folder, { recursive: true, force: true });
}
process.stdout.write(`${terminalReport(results, clients)}\n`);
if (everything) await writeReports(results);
process.exitCode = summarise(results).failed === 0 && results.length > 0 ? 0 : 1;

function startOwn(): Promise<OwnedAtoll> {
  process.stderr.write('Starting an Atoll of our own…\n');
  return startAtoll({ address: ADDRESS });
}

async function runAll(target: Atoll): Promise<Result[]> {
  const outside = await findOutside();
  const cache = process.env.ATOLL_CONFORMANCE_CACHE ?? join(homedir(), '.cache', 'atoll-conformance');
  const waiting = clients.flatMap((client) =>
    client.forms
      .filter((form) => options.form === undefined || form === options.form)
      .filter((form) => form !== 'domain' || target.resolver !== undefined)
      .map((form) => ({ client, form })),
  );
  const collected: Result[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const started = Date.now();
      const request = { ...next, atoll: target, cache, folder, outside, operations: options.operation };
      const found = await runClient(request).catch((error: unknown) => unable(next.client, next.form, error));
      collected.push(...found);
      const failed = found.filter((result) => result.status === 'fail').length;
      const seconds = Math.round((Date.now() - started) / 1000);
      process.stderr.write(
        `${next.client.id}, ${next.form}: ${found.length - failed} of ${found.length}, ${seconds} s\n`,
      );
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker));
  const order = (result: Result): number => CLIENTS.findIndex((client) => client.id === result.client);
  return collected.sort((a, b) => order(a) - order(b));
}

/** A client that could not be installed or started fails as a whole. */
function unable(client: Client, form: AddressForm, error: unknown): Result[] {
  const reason = error instanceof Error ? error.message : String(error);
  return [{ client: client.id, form, operation: OPERATIONS[0]?.id ?? 'create', status: 'fail', reason }];
}

async function writeReports(found: readonly Result[]): Promise<void> {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  await writeFile(path('results.json'), `${JSON.stringify(resultsByClient(found), null, 2)}\n`);
  await writeFile(path('../docs/compatibility.md'), compatibilityPage(found));
}
