import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian keeps the server's programs here, one folder for each version. */
const DEBIAN_DIRECTORY = '/usr/lib/postgresql';
/** First start on a busy machine takes seconds, not more. */
const START_TIMEOUT_MS = 60_000;
/** What a person without PostgreSQL reads. */
export const POSTGRES_MISSING = 'PostgreSQL is not installed here: apt-get install postgresql';

/** A PostgreSQL server with a data folder of its own, reachable by a socket in that folder only. */
export interface TestPostgres {
  /** For `openStore`, with a database made for it. */
  database(name: string): Promise<string>;
  close(): Promise<void>;
}

/** The folder of PostgreSQL's programs; undefined where it is not installed. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir(DEBIAN_DIRECTORY).catch(() => []);
  const newest = versions.sort((one, other) => Number(other) - Number(one))[0];
  if (newest !== undefined) return join(DEBIAN_DIRECTORY, newest, 'bin');
  const found = await run('which', ['initdb']).catch(() => undefined);
  return found?.stdout.trim().replace(/\/initdb$/, '') || undefined;
}

/** Starts a server. PostgreSQL refuses to run as root, so it runs as the user of that name then. */
export async function startPostgres(programs: string): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-postgres-'));
  const asOther: string[] = [];
  if (process.getuid?.() === 0) {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
    );
    await chown(directory, uid ?? 0, gid ?? 0);
    asOther.push('setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups');
  }
  const command = (program: string, ...rest: string[]): [string, string[]] => {
    const [first = '', ...others] = [...asOther, join(programs, program), ...rest];
    return [first, others];
  };
  const data = join(directory, 'data');
  await run(...command('initdb', '-D', data, '-U', 'atoll', '-A', 'trust', '-N', '--locale=C.UTF-8', '-E', 'UTF8'), {
    cwd: directory,
  });
  // Its data lives as long as the test: nothing has to reach the disk.
  const settings = ['fsync=off', 'listen_addresses=', `unix_socket_directories=${directory}`];
  const server = spawn(...command('postgres', '-D', data, ...settings.flatMap((setting) => ['-c', setting])), {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const close = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const exited = once(server, 'exit');
      server.kill('SIGINT');
      await exited;
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await listening(directory, server);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    database: async (name) => {
      await run(...command('createdb', '-h', directory, '-U', 'atoll', name), { cwd: directory });
      return `postgres://atoll@${encodeURIComponent(directory)}/${name}`;
    },
    close,
  };
}

/** Waits for the line that says so; what the server wrote before is told when it ends instead. */
async function listening(directory: string, server: ReturnType<typeof spawn>): Promise<void> {
  const written: string[] = [];
  const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
  if (server.stderr === null) throw new Error('PostgreSQL was started without its output.');
  for await (const line of createInterface({ input: server.stderr, signal: deadline })) {
    if (line.includes('ready to accept connections')) {
      server.stderr.resume();
      return;
    }
    written.push(line);
  }
  throw new Error(`PostgreSQL in ${directory} did not start:\n${written.join('\n')}`);
}
