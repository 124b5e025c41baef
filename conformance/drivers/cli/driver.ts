/**
 * Drives the official command line as a person or a script would: `node driver.ts <folder with @e2b/cli> [operation...]`.
 * Terminals are given by `script`, because `sandbox create` refuses to open one without a TTY.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { eventually, runOperations } from '../harness.ts';

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: driver.ts <folder with @e2b/cli> [operation...]');
const program = join(folder, 'node_modules/@e2b/cli/dist/index.js');

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with text on its standard input. */
function execute(command: string, args: readonly string[], signal: AbortSignal, input = ''): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const child = spawn(command, args, { signal, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined); // a program that does not read its input closes it
  child.stdin.end(input);
  child.on('error', reject);
  child.on('close', (code) => resolve({ code, stdout, stderr }));
  return promise;
}

const cli = (signal: AbortSignal, args: readonly string[], input?: string): Promise<Finished> =>
  execute(process.execPath, [program, 'sandbox', ...args], signal, input);

async function succeed(signal: AbortSignal, args: readonly string[], input?: string): Promise<string> {
  const finished = await cli(signal, args, input);
  assert.equal(finished.code, 0, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
  return finished.stdout;
}

let shared: string | undefined;

async function create(signal: AbortSignal): Promise<string> {
  const output = await succeed(signal, ['create', 'base', '--detach', '--timeout', '300']);
  return findId(output);
}

function findId(output: string): string {
  const id = /\b(i[a-z0-9]{15,})\b/.exec(output)?.[1];
  assert.ok(id !== undefined, `no sandbox id in: ${output}`);
  return id;
}

/** Types a sum into the shell that a command opens, leaves it, and returns everything that was on the screen. */
async function inTerminal(signal: AbortSignal, args: readonly string[]): Promise<string> {
  const command = [process.execPath, program, 'sandbox', ...args].join(' ');
  const keys = 'echo $((6*7))done\nsleep 1; exit\n';
  return (await execute('script', ['-qec', command, '/dev/null'], signal, keys)).stdout;
}

async function sandbox(signal: AbortSignal): Promise<string> {
  shared ??= await create(signal);
  return shared;
}

await runOperations(
  {
    create: async (signal) => {
      await sandbox(signal);
    },
    'pty-input': async (signal) => {
      const screen = await inTerminal(signal, ['create', 'base']);
      assert.match(screen, /42done/);
      const id = findId(screen);
      // The sandbox ends soon after its terminal was left: the client asks for a deadline of one second.
      await eventually('the end of the sandbox', async () => {
        const listed = await succeed(signal, ['list', '--format', 'json']);
        return listed.includes(id) ? undefined : true;
      });
    },
    'pty-connect': async (signal) => {
      const id = await sandbox(signal);
      assert.match(await inTerminal(signal, ['connect', id]), /42done/);
      assert.match(await succeed(signal, ['list']), new RegExp(id), 'a left terminal does not end the sandbox');
    },
    list: async (signal) => {
      const id = await sandbox(signal);
      const listed: { sandboxId?: string }[] = JSON.parse(await succeed(signal, ['list', '--format', 'json']));
      assert.ok(listed.some((item) => item.sandboxId === id));
      assert.match(await succeed(signal, ['list']), new RegExp(id));
    },
    info: async (signal) => {
      const id = await sandbox(signal);
      const info: { sandboxId?: string; state?: string } = JSON.parse(
        await succeed(signal, ['info', id, '--format', 'json']),
      );
      assert.equal(info.sandboxId, id);
      assert.equal(info.state, 'running');
    },
    'commands-run': async (signal) => {
      const id = await sandbox(signal);
      assert.equal(await succeed(signal, ['exec', id, 'echo', 'hello']), 'hello\n');
      const failed = await cli(signal, ['exec', id, 'sh -c "echo broken >&2; exit 3"']);
      assert.equal(failed.code, 3, `exit code ${failed.code}: ${failed.stderr}`);
      assert.match(failed.stderr, /broken/);
    },
    'commands-context': async (signal) => {
      const id = await sandbox(signal);
      const options = ['-u', 'root', '-c', '/tmp', '-e', 'A=one'];
      const seen = await succeed(signal, ['exec', ...options, id, 'sh -c "whoami; pwd; echo $A"']);
      assert.match(seen, /^root\n\/tmp\n/);
    },
    'commands-stdin': async (signal) => {
      const id = await sandbox(signal);
      assert.equal(await succeed(signal, ['exec', id, 'cat'], 'piped ü\n'), 'piped ü\n');
      const long = 'x'.repeat(300_000);
      assert.equal((await succeed(signal, ['exec', id, 'wc', '-c'], long)).trim(), '300000');
    },
    'commands-background': async (signal) => {
      const id = await sandbox(signal);
      await succeed(signal, ['exec', '-b', id, 'sleep', '77']);
      const seen = await succeed(signal, ['exec', id, 'pgrep', '-f', '^sleep.77']);
      assert.match(seen, /\d/);
    },
    logs: async (signal) => {
      const id = await sandbox(signal);
      await eventually('log lines', async () => {
        const text = await succeed(signal, ['logs', id, '--format', 'json', '--level', 'DEBUG']);
        return text.includes('{') ? text : undefined;
      });
      await succeed(signal, ['logs', id]);
    },
    metrics: async (signal) => {
      const id = await sandbox(signal);
      await eventually('a sample', async () => {
        const text = await succeed(signal, ['metrics', id, '--format', 'json']);
        return text.includes('cpuUsedPct') ? text : undefined;
      });
    },
    'error-unknown-sandbox': async (signal) => {
      const finished = await cli(signal, ['info', 'i0000000000000000000']);
      assert.notEqual(finished.code, 0);
    },
    kill: async (signal) => {
      const id = await create(signal);
      await succeed(signal, ['kill', id]);
      const listed = await succeed(signal, ['list', '--format', 'json']);
      assert.ok(!listed.includes(id));
    },
  },
  wanted,
);
if (shared !== undefined) await cli(AbortSignal.timeout(20_000), ['kill', shared]);
process.exit(0);
