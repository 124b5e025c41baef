import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const COMMAND = fileURLToPath(new URL('../atoll', import.meta.url));
/** The first start on a machine installs tools and makes the base template. */
const START_DEADLINE_MS = 20 * 60_000;
const STOP_DEADLINE_MS = 120_000;

/** A running Atoll as clients see it. */
export interface Atoll {
  readonly apiUrl: string;
  readonly sandboxUrl: string;
  readonly domain: string | undefined;
  /** File of the private CA that signed the domain's certificate. */
  readonly authority: string | undefined;
  /** Address of the DNS server that answers for the domain. */
  readonly resolver: string | undefined;
  readonly apiKey: string;
  readonly accessToken: string;
  readonly adminToken: string | undefined;
  readonly runtime: string;
  readonly version: string;
  readonly pid: number | undefined;
}

/** An Atoll of our own, with what is needed to break it. */
export interface OwnedAtoll extends Atoll {
  readonly dataDir: string;
  readonly instance: string;
  /** Runs a further command of the CLI on it. */
  command(...args: readonly string[]): Promise<string>;
  /** Starts it again on the same data after it was killed or stopped, with settings changed; the URLs may change. */
  start(changes?: Readonly<Record<string, string>>): Promise<OwnedAtoll>;
  /** Stops it; its data stay. */
  down(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

interface Options {
  /** An address of 127.0.0.0/8 that nothing else listens on: its ports 443 and 53 are taken. */
  readonly address: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts an Atoll with a data directory, names and ports of its own, side by side with any other. */
export async function startAtoll({ address, settings = {} }: Options): Promise<OwnedAtoll> {
  const dataDir = await mkdtemp(join(tmpdir(), 'atoll-conformance-'));
  const instance = `t${randomBytes(3).toString('hex')}`;
  const domain = 'atoll.test';
  const apiKey = `e2b_${randomBytes(20).toString('hex')}`;
  const adminToken = randomBytes(16).toString('hex');
  const first = {
    instance,
    host: address,
    'api-port': '0',
    'edge-port': '0',
    domain,
    'tls-port': '443',
    'dns-port': '53',
    'dns-address': address,
    'api-key': apiKey,
    'admin-token': adminToken,
    'log-level': 'debug',
    ...settings,
  };

  const command = async (...args: readonly string[]): Promise<string> => {
    const [name = 'help', ...rest] = args;
    const timeout = name === 'up' ? START_DEADLINE_MS : STOP_DEADLINE_MS;
    const { stdout } = await promisify(execFile)(COMMAND, [name, `--data-dir=${dataDir}`, ...rest], { timeout });
    return stdout;
  };

  const start = async (changes: Readonly<Record<string, string>> = {}): Promise<OwnedAtoll> => {
    const flags = Object.entries({ ...first, ...changes }).map(([name, value]) => `--${name}=${value}`);
    await command('up', '--detach', ...flags);
    const status: Record<string, unknown> = JSON.parse(await command('status', '--json'));
    const text = (name: string): string => {
      const value = status[name];
      if (typeof value !== 'string') throw new Error(`atoll status --json has no ${name}`);
      return value;
    };
    return {
      apiUrl: text('apiUrl'),
      sandboxUrl: text('sandboxUrl'),
      domain,
      authority: join(dataDir, 'tls', 'ca.pem'),
      resolver: address,
      apiKey,
      accessToken: text('accessToken'),
      adminToken,
      runtime: text('runtime'),
      version: text('version'),
      pid: Number(status.pid),
      dataDir,
      instance,
      command,
      start,
      down: async () => {
        await command('down');
      },
      remove: async () => {
        await command('down');
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  };

  try {
    return await start();
  } catch (error) {
    await command('down').catch(() => undefined);
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

/** The Atoll that `ATOLL_URL`, `ATOLL_SANDBOX_URL` and `ATOLL_API_KEY` name, when they are set: the runs then use that one. */
export function namedAtoll(environment: NodeJS.ProcessEnv = process.env): Atoll | undefined {
  const { ATOLL_URL, ATOLL_SANDBOX_URL, ATOLL_API_KEY } = environment;
  if (ATOLL_URL === undefined || ATOLL_SANDBOX_URL === undefined || ATOLL_API_KEY === undefined) return undefined;
  return {
    apiUrl: ATOLL_URL,
    sandboxUrl: ATOLL_SANDBOX_URL,
    apiKey: ATOLL_API_KEY,
    domain: environment.ATOLL_DOMAIN,
    authority: environment.ATOLL_CA_FILE,
    resolver: environment.ATOLL_RESOLVER,
    accessToken: environment.ATOLL_ACCESS_TOKEN ?? '',
    adminToken: environment.ATOLL_ADMIN_TOKEN,
    runtime: 'unknown',
    version: 'unknown',
    pid: undefined,
  };
}
