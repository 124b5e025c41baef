import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Lines of output kept for the error message of a command that fails. */
const KEPT_LINES = 20;

/**
 * Runs a program of the host and waits for its end. It lives in a process namespace of its own that dies with us, so not
 * even `kill -9` leaves one of its children (or a mount of theirs) behind. Throws with its last lines when it fails.
 */
export async function runContained(
  program: string,
  args: readonly string[],
  options: {
    readonly signal: AbortSignal;
    readonly env?: Readonly<Record<string, string>>;
    readonly onLine?: (line: string) => void;
  },
): Promise<void> {
  const contained = [
    '--pdeathsig',
    'KILL',
    'unshare',
    '--fork',
    '--pid',
    '--kill-child',
    '--mount-proc',
    program,
    ...args,
  ];
  const child = spawn('setpriv', contained, {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
    killSignal: 'SIGKILL',
  });
  const lastLines: string[] = [];
  const keep = (line: string) => {
    lastLines.push(line);
    if (lastLines.length > KEPT_LINES) lastLines.shift();
    options.onLine?.(line);
  };
  createInterface(child.stdout).on('line', keep);
  createInterface(child.stderr).on('line', keep);
  const end = await ended(child);
  options.signal.throwIfAborted();
  if (end !== 'exit code 0') throw new Error(`${program} failed with ${end}:\n${lastLines.join('\n')}`);
}

/** Waits until the process and its output are gone; says how it ended. Being cancelled is an end like others. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      if (child.pid === undefined) reject(error);
    });
    child.once('close', (code, killedBy) => resolve(killedBy === null ? `exit code ${code}` : `signal ${killedBy}`));
  });
}
