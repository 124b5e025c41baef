import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildGuestBundle } from '../guest-bundle.ts';

const run = promisify(execFile);

const START_SCRIPT = fileURLToPath(new URL('./start-guest.sh', import.meta.url));
const PORT = 49983;
const START_DEADLINE_MS = 20_000;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  json<T>(): T;
}

export interface HttpQuestion {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A real envd, compiled and started as process 1 of its own namespaces; ask it over its network link. */
export interface Guest {
  readonly address: string;
  readonly url: string;
  http(path: string, question?: HttpQuestion): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** Starts a guest; the caller closes it. `shell`: a static program that is all the guest has; else it is like this machine. */
export async function startGuest(options: { readonly shell?: string } = {}): Promise<Guest> {
  const folder = await mkdtemp(join(tmpdir(), 'envd-guest-'));
  const name = `envdt${process.pid}`;
  const network = `10.98.${process.pid % 250}`;
  const address = `${network}.2`;
  let child: ChildProcess | undefined;

  const close = async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      // The first process of the namespace, not unshare: a change of user has undone --kill-child.
      const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
      for (const pid of children.split(' ').filter((word) => word !== '')) process.kill(Number(pid), 'SIGKILL');
      await exited;
    }
    await run('ip', ['netns', 'del', name]).catch(() => {});
    await run('ip', ['link', 'del', name]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };

  try {
    const bundle = join(folder, 'bundle');
    await buildGuestBundle({ directory: bundle });
    const root = await mkdtemp(join(folder, 'root-'));
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    await run('ip', ['addr', 'add', `${network}.1/30`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    await run('ip', ['-n', name, 'addr', 'add', `${address}/30`, 'dev', 'eth0']);
    await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    child = spawn(
      'ip',
      [
        'netns',
        'exec',
        name,
        'unshare',
        '-m',
        '-p',
        '-u',
        '-f',
        '--kill-child',
        START_SCRIPT,
        bundle,
        `${PORT}`,
        root,
        options.shell ?? '',
      ],
      { stdio: 'inherit' },
    );
    const guest = { address, url: `http://${address}:${PORT}`, close, http: httpOf(address) };
    await waitUntilHealthy(guest);
    return guest;
  } catch (error) {
    await close();
    throw error;
  }
}

async function waitUntilHealthy(guest: Guest): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      const answer = await guest.http('/health');
      if (answer.status === 204) return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error('envd did not answer /health in time', { cause: error });
      await sleep(20);
    }
  }
}

function httpOf(address: string): Guest['http'] {
  return (path, question = {}) =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: address,
          port: PORT,
          path,
          method: question.method ?? 'GET',
          headers: { ...question.headers },
          agent: false,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const body = Buffer.concat(chunks);
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body,
              json: <T>() => JSON.parse(body.toString('utf8')) as T,
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(question.body);
    });
}
