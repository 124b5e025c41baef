import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type AddressForm, pointAt } from './address-form.ts';
import type { Atoll } from './atoll.ts';
import type { Client } from './clients.ts';
import type { Outside } from './outside.ts';

/** All operations of one client in one address form; a driver that hangs beyond this is ended. */
const RUN_DEADLINE_MS = 4 * 60_000;

export type Status = 'pass' | 'fail' | 'n.a.';

/** A cell of the table. */
export interface Result {
  readonly client: string;
  readonly form: AddressForm;
  readonly operation: string;
  readonly status: Status;
  readonly reason?: string;
  readonly ms?: number;
}

interface Request {
  readonly client: Client;
  readonly form: AddressForm;
  readonly atoll: Atoll;
  /** Where clients are installed; kept from run to run. */
  readonly cache: string;
  /** Scratch folder of this run. */
  readonly folder: string;
  readonly outside: Outside | undefined;
  /** Names of operations; all when empty. */
  readonly operations: readonly string[];
}

interface Line {
  readonly plan?: readonly string[];
  readonly operation?: string;
  readonly status?: Status;
  readonly reason?: string | null;
  readonly ms?: number;
}

/** Installs a client, runs its driver and collects what it reports. Whatever goes wrong becomes failed rows. */
export async function runClient(request: Request): Promise<Result[]> {
  const { client, form, atoll } = request;
  const home = join(request.folder, `${client.id}-${form}`);
  await mkdir(home, { recursive: true });
  const program = await pointAt(await client.install(join(request.cache, client.id)), atoll, form, home);
  const child = spawn(program.command, [...program.args, ...request.operations], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, so that a hanging driver ends with everything it started
    env: {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: home,
      ...program.env,
      ...(request.outside === undefined
        ? {}
        : { CONFORMANCE_OUTSIDE_HOST: request.outside.host, CONFORMANCE_OUTSIDE_IP: request.outside.ip }),
    },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // the group is gone already
    }
  };
  const timer = setTimeout(endGroup, RUN_DEADLINE_MS);
  const results: Result[] = [];
  let plan: readonly string[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    const line = parse(text);
    if (line?.plan !== undefined) plan = line.plan;
    if (line?.operation === undefined || line.status === undefined) continue;
    results.push({
      client: client.id,
      form,
      operation: line.operation,
      status: line.status,
      ...(typeof line.reason === 'string' ? { reason: line.reason } : {}),
      ...(line.ms === undefined ? {} : { ms: line.ms }),
    });
  }
  const how = await ended;
  clearTimeout(timer);
  endGroup();
  if (plan.length === 0) throw new Error(`the driver said nothing (${how}): ${errors}`);
  const reported = new Set(results.map((result) => result.operation));
  const missing = plan.filter((operation) => !reported.has(operation));
  const reason = `the driver ended before it (${how})${errors === '' ? '' : `: ${errors}`}`;
  return [
    ...results,
    ...missing.map((operation): Result => ({ client: client.id, form, operation, status: 'fail', reason })),
  ];
}

function parse(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null ? line : undefined;
  } catch {
    return undefined; // something a client printed
  }
}
