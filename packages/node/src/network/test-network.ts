import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { runCommand } from './command.ts';
import { openSlotPool, type SlotPoolOptions } from './slot-pool.ts';
import type { SlotPool } from './slots.ts';
import type { GuestTask } from './test-guest.ts';

const GUEST_PROGRAM = fileURLToPath(new URL('./test-guest.ts', import.meta.url));

/** Names are random, so that test files run side by side. The range comes from the name too. */
export function testInstance(): { instance: string; cidr: string } {
  const [a = 0, b = 0, c = 0] = randomBytes(3);
  return { instance: `t${Buffer.from([a, b, c]).toString('hex')}`, cidr: `10.${128 + (a & 127)}.${b}.0/24` };
}

/** Opens a pool that is removed at the end of the test, whatever becomes of it. */
export async function openTestPool(test: TestHook, options: Partial<SlotPoolOptions> = {}): Promise<SlotPool> {
  const pool = await openSlotPool({
    ...testInstance(),
    poolSize: 0,
    protectedPorts: [],
    allowedPrivate: [],
    logger: pino({ level: 'error' }),
    ...options,
  });
  test.after(() => pool.close({ remove: true }));
  return pool;
}

/** What of node:test's context or module the helpers need. */
export interface TestHook {
  after(cleanUp: () => Promise<void>): void;
}

/** Runs a task in a namespace and returns the line it prints. */
export async function runInGuest(namespacePath: string, task: GuestTask): Promise<string> {
  const program = [`--net=${namespacePath}`, process.execPath, GUEST_PROGRAM, JSON.stringify(task)];
  return (await runCommand('nsenter', program)).trim();
}

/** A task that goes on until it is closed. */
export interface RunningGuest {
  /** The lines it has printed. */
  readonly lines: readonly string[];
  /** Settles when a line fulfils the condition; rejects when the task ends before. */
  waitFor(condition: (line: string) => boolean): Promise<string>;
  close(): Promise<void>;
}

/** Starts a task in a namespace, or on the host when there is none. */
export function startInGuest(test: TestHook, namespacePath: string | undefined, task: GuestTask): RunningGuest {
  const node = [process.execPath, GUEST_PROGRAM, JSON.stringify(task)];
  const [program = '', ...args] = namespacePath === undefined ? node : ['nsenter', `--net=${namespacePath}`, ...node];
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  test.after(close);
  return {
    lines,
    waitFor: async (condition) => {
      for (let seen = 0; ; ) {
        const line = lines[seen];
        if (line === undefined) {
          const more = once(reader, 'line').then(() => true);
          const ended = once(reader, 'close').then(() => lines.length > seen);
          if (!(await Promise.race([more, ended]))) throw new Error(`The guest said only: ${lines.join(', ')}`);
        } else if (condition(line)) {
          return line;
        } else {
          seen += 1;
        }
      }
    },
    close,
  };
}

/** Starts echo servers and waits until they listen. */
export async function serveEcho(
  test: TestHook,
  namespacePath: string | undefined,
  host: string,
  ports: readonly number[],
): Promise<RunningGuest> {
  const server = startInGuest(test, namespacePath, { kind: 'serve', host, ports });
  await server.waitFor((line) => line === 'ready');
  return server;
}

/**
 * A namespace that plays the networks behind this host. Its addresses are in 198.18.0.0/15 (RFC 2544, for tests of network
 * devices), which stands for the internet, and in one private range; both random, so that several can exist.
 */
export interface TestInternet {
  readonly namespacePath: string;
  /** Two addresses of the internet. */
  readonly site: string;
  readonly otherSite: string;
  /** An address in a private range, as a company's network has them, and the CIDR it is in. */
  readonly intranetSite: string;
  readonly intranet: string;
  /** The host's own addresses towards both. */
  readonly hostAddress: string;
  readonly hostIntranetAddress: string;
}

/** Makes the namespace with echo servers on these ports; it is removed at the end of the test. */
export async function openTestInternet(test: TestHook, ports: readonly number[]): Promise<TestInternet> {
  const name = `tnet${randomBytes(3).toString('hex')}`;
  const [a = 0, b = 0] = randomBytes(2);
  const [publicNet, privateNet] = [`198.${18 + (a & 1)}.${b}`, `172.30.${b}`];
  const hostBatch = [
    `netns add ${name}`,
    `link add ${name} type veth peer name eth0 netns ${name}`,
    `address add ${publicNet}.1/24 dev ${name}`,
    `address add ${privateNet}.1/24 dev ${name}`,
    `link set ${name} up`,
  ];
  const guestBatch = [
    'link set lo up',
    'link set eth0 up',
    ...[`${publicNet}.10`, `${publicNet}.11`, `${privateNet}.10`].map(
      (address) => `address add ${address}/24 dev eth0`,
    ),
    `route add default via ${publicNet}.1`,
  ];
  await runCommand('ip', ['-batch', '-'], `${hostBatch.join('\n')}\n`);
  test.after(async () => {
    await runCommand('ip', ['-batch', '-'], `link delete ${name}\nnetns delete ${name}\n`);
  });
  await runCommand('ip', ['-n', name, '-batch', '-'], `${guestBatch.join('\n')}\n`);
  const namespacePath = `/run/netns/${name}`;
  await serveEcho(test, namespacePath, '0.0.0.0', ports);
  return {
    namespacePath,
    site: `${publicNet}.10`,
    otherSite: `${publicNet}.11`,
    intranetSite: `${privateNet}.10`,
    intranet: `${privateNet}.0/24`,
    hostAddress: `${publicNet}.1`,
    hostIntranetAddress: `${privateNet}.1`,
  };
}
