import { closeSync, statSync } from 'node:fs';
import { EnvdError, errnoCode } from '../errors.ts';
import { asUser } from '../native/credentials.ts';
import { openPipe } from '../native/pipe.ts';
import { openTerminal, type PseudoTerminal, type TerminalSize } from '../native/terminal.ts';
import type { User } from '../users.ts';

/** What is to be run, with everything decided. */
export interface SpawnPlan {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: User;
  readonly io:
    | { readonly kind: 'pipes'; readonly stdin: boolean }
    | { readonly kind: 'pty'; readonly size: TerminalSize };
}

/** Our ends of a process's input and output. Whoever takes them closes them. */
export type ProcessIo =
  | { readonly kind: 'pipes'; readonly stdin: number | undefined; readonly stdout: number; readonly stderr: number }
  | { readonly kind: 'pty'; readonly terminal: PseudoTerminal };

export interface Spawned {
  readonly child: Bun.Subprocess;
  readonly io: ProcessIo;
}

/**
 * The program's own session gets the terminal by opening it: the first one a session leader opens becomes its
 * controlling terminal. $0 is the terminal, "$@" the command.
 */
const TAKE_TERMINAL = 'exec "$@" <>"$0" >&0 2>&1';

/** Starts a process. Throws `invalid_argument` when it cannot be started. */
export function spawn(plan: SpawnPlan): Spawned {
  checkDirectory(plan.cwd);
  try {
    const { io } = plan;
    if (io.kind === 'pty') return spawnOnTerminal(plan, io.size);
    // The pipes too are made as the user: programs open them again as /dev/stdout.
    return asUser(plan.user, () => spawnOnPipes(plan, io.stdin));
  } catch (error) {
    if (error instanceof EnvdError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvdError('invalid_argument', `error starting process '${plan.cmd}': ${reason}`, { cause: error });
  }
}

function spawnOnPipes(plan: SpawnPlan, withStdin: boolean): Spawned {
  const opened: number[] = [];
  const theirs: number[] = [];
  try {
    const pipe = (ours: 'read' | 'write') => {
      const made = openPipe(ours);
      opened.push(made.readEnd, made.writeEnd);
      theirs.push(ours === 'read' ? made.writeEnd : made.readEnd);
      return made;
    };
    const stdin = withStdin ? pipe('write') : undefined;
    const stdout = pipe('read');
    const stderr = pipe('read');
    const child = start(plan, [plan.cmd, ...plan.args], {
      stdin: stdin?.readEnd ?? 'ignore',
      stdout: stdout.writeEnd,
      stderr: stderr.writeEnd,
    });
    for (const descriptor of theirs) closeSync(descriptor);
    return {
      child,
      io: { kind: 'pipes', stdin: stdin?.writeEnd, stdout: stdout.readEnd, stderr: stderr.readEnd },
    };
  } catch (error) {
    for (const descriptor of opened) closeSync(descriptor);
    throw error;
  }
}

function spawnOnTerminal(plan: SpawnPlan, size: TerminalSize): Spawned {
  const terminal = openTerminal(size, plan.user);
  try {
    const command = ['/bin/sh', '-c', TAKE_TERMINAL, terminal.replicaPath, plan.cmd, ...plan.args];
    const stdio = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const;
    const child = asUser(plan.user, () => start(plan, command, stdio));
    return { child, io: { kind: 'pty', terminal } };
  } catch (error) {
    for (const descriptor of [terminal.master, terminal.replica]) closeSync(descriptor);
    throw error;
  }
}

type Stdio = number | 'ignore';

/** Starts a program as the thread's present user. */
function start(
  plan: SpawnPlan,
  command: string[],
  stdio: { stdin: Stdio; stdout: Stdio; stderr: Stdio },
): Bun.Subprocess {
  // A session of its own: a terminal's signals, and nobody's else.
  const options = { ...stdio, cwd: plan.cwd, env: { ...plan.env }, detached: true };
  try {
    return Bun.spawn(command, options);
  } catch (error) {
    if (errnoCode(error) === 'E2BIG') throw error;
    // Missing programs and scripts without an interpreter line: a shell runs the one and reports the other (127, 126).
    return Bun.spawn(['/bin/sh', '-c', 'exec "$@"', 'sh', ...command], options);
  }
}

function checkDirectory(cwd: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(cwd, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    isDirectory = false;
  }
  if (!isDirectory) throw new EnvdError('invalid_argument', `cwd '${cwd}' does not exist`);
}
