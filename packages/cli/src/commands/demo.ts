import { setTimeout as delay } from 'node:timers/promises';
import { createSandbox, killSandbox } from '../client/api.ts';
import { reach, readFile, runCommand, type SandboxAccess, startInBackground, writeFile } from '../client/sandbox.ts';
import type { Command } from '../command.ts';
import { startDetached } from '../server/detach.ts';
import { findServer } from '../server/server-state.ts';

const WEB_SERVER_PORT = 8000;
const WEB_SERVER_DEADLINE_MS = 10_000;

export const demo: Command = {
  name: 'demo',
  summary: 'Do the main job once, end to end, and say how long each step took',
  flags: {},
  async run({ loaded }) {
    const running = findServer(loaded.settings.dataDir);
    if (running === undefined) process.stdout.write('No server is running yet: starting one.\n');
    const server = running ?? (await startDetached(loaded)).state;
    const began = performance.now();

    const created = await timed('create a sandbox', () =>
      createSandbox(server, { templateID: 'base', timeout: 120, secure: true, metadata: { made: 'by atoll demo' } }),
    );
    tell(created.sandboxID);
    const sandbox: SandboxAccess = {
      sandboxUrl: server.sandboxUrl,
      sandboxId: created.sandboxID,
      accessToken: created.envdAccessToken,
    };
    try {
      await tour(sandbox);
    } finally {
      await timed('kill the sandbox', () => killSandbox(server, created.sandboxID));
    }

    process.stdout.write(`\nEverything worked, in ${((performance.now() - began) / 1000).toFixed(2)} s.\n`);
    if (running === undefined)
      process.stdout.write(`The server keeps running at ${server.apiUrl}. To stop it: ./atoll down\n`);
    return 0;
  },
};

async function tour(sandbox: SandboxAccess): Promise<void> {
  const shell = await timed('run a shell command', () =>
    runCommand(sandbox, 'echo "hello from $(hostname), a $(uname -s) of its own"'),
  );
  tell(expectSuccess(shell));

  const program = 'import platform, sys; print(f"Python {platform.python_version()} says 6 * 7 = {6 * 7}")';
  await timed('write a Python program', () => writeFile(sandbox, '/home/user/demo.py', program));
  const python = await timed('run it', () =>
    runCommand(sandbox, 'python3 /home/user/demo.py | tee /home/user/answer.txt'),
  );
  tell(expectSuccess(python));

  tell(await timed('read a file back', () => readFile(sandbox, '/home/user/answer.txt')));

  tell(expectSuccess(await timed('become root', () => runCommand(sandbox, 'sudo id -un'))));

  await timed(`start a web server on port ${WEB_SERVER_PORT}`, () =>
    startInBackground(sandbox, `cd /home/user && exec python3 -m http.server ${WEB_SERVER_PORT}`),
  );
  const page = await timed('fetch a file from that port, through the edge', () =>
    fetchWhenReady(sandbox, '/answer.txt'),
  );
  tell(page);
}

/** Asks until the web server answers: only then is it known to listen. */
async function fetchWhenReady(sandbox: SandboxAccess, path: string): Promise<string> {
  const deadline = performance.now() + WEB_SERVER_DEADLINE_MS;
  for (;;) {
    const response = await reach(sandbox, WEB_SERVER_PORT, path);
    const text = await response.text();
    if (response.ok) return text;
    if (performance.now() > deadline)
      throw new Error(`Port ${WEB_SERVER_PORT} was answered ${response.status}: ${text.slice(0, 300)}`);
    await delay(50);
  }
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  const took = performance.now() - began;
  process.stdout.write(`✓ ${what.padEnd(48)} ${took.toFixed(0).padStart(6)} ms\n`);
  return result;
}

function tell(text: string): void {
  process.stdout.write(`    ${text.trim().replaceAll('\n', '\n    ')}\n`);
}

function expectSuccess(result: { exitCode: number; stdout: string; stderr: string }): string {
  if (result.exitCode === 0) return result.stdout;
  throw new Error(`The command ended with exit code ${result.exitCode}: ${result.stderr || result.stdout}`);
}
