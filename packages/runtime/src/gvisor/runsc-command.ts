import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { AtollError } from '@atoll/contract';

/** Longest part of runsc's own words that goes into an error. */
const MAX_MESSAGE_CHARACTERS = 2_000;

/** One call of runsc. */
export interface RunscCall {
  readonly args: readonly string[];
  /** File for what runsc says of this call; overwritten. */
  readonly logPath: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** Calls runsc and waits for its end. Throws an AtollError with runsc's own words, or the signal's reason. */
export type RunscCommand = (call: RunscCall) => Promise<void>;

/** A way to call one runsc with flags that are the same in every call. */
export function createRunscCommand(options: { runscPath: string; flags: readonly string[] }): RunscCommand {
  return async ({ args, logPath, deadlineMs, signal }) => {
    signal?.throwIfAborted();
    const log = await open(logPath, 'w', 0o600);
    let failure: string | undefined;
    try {
      failure = await new Promise<string | undefined>((resolve, reject) => {
        const child = spawn(options.runscPath, [...options.flags, '--log-fd=3', ...args], {
          // The guest keeps the standard streams it inherits: nothing of ours may be among them. runsc does not pass
          // the log on to the guest's processes.
          stdio: ['ignore', 'ignore', 'ignore', log.fd],
          cwd: '/',
          env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
          timeout: deadlineMs,
          killSignal: 'SIGKILL',
        });
        // Not spawn's own `signal`: that one reports the abort before the process has ended, and undoing would race it.
        const abort = (): void => void child.kill('SIGKILL');
        signal?.addEventListener('abort', abort, { once: true });
        child.once('error', reject);
        // 'close' would wait for the guest if it held a stream.
        child.once('exit', (code, killedBy) => {
          signal?.removeEventListener('abort', abort);
          if (code === 0) resolve(undefined);
          else if (code === null) resolve(`ended by ${killedBy} (deadline ${deadlineMs} ms)`);
          else resolve(`exit code ${code}`);
        });
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new AtollError('internal_server_error', `runsc could not be started at ${options.runscPath}.`, {
        cause: error,
      });
    } finally {
      await log.close();
    }
    signal?.throwIfAborted();
    if (failure === undefined) return;
    const said = readMessages(await readFile(logPath, 'utf8').catch(() => ''));
    throw new AtollError(
      'internal_server_error',
      `runsc ${args[0] ?? ''} failed (${failure}): ${said || 'no message'}`,
    );
  };
}

/** runsc writes one JSON object after another, without line breaks between them, among plain log lines. */
function readMessages(log: string): string {
  const messages = [...log.matchAll(/"msg":("(?:[^"\\]|\\.)*")/g)].map((match) => String(JSON.parse(match[1] ?? '""')));
  return (messages.length > 0 ? messages.join('; ') : log.trim()).slice(0, MAX_MESSAGE_CHARACTERS);
}
