import { execFile } from 'node:child_process';
import { AtollError } from '@atoll/contract';

/** Host tools of the network work in milliseconds; one that takes this long hangs. */
const COMMAND_DEADLINE_MS = 20_000;

/** Listings of large tables must fit; bytes. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A host tool that ended with an error. `stderr` is what it said. */
export class CommandFailed extends AtollError {
  readonly stderr: string;

  constructor(command: string, stderr: string, cause: unknown) {
    super('internal_server_error', `${command} failed: ${stderr.trim() || String(cause)}`, { cause });
    this.stderr = stderr;
  }
}

/** Runs a host tool without a shell, feeds it `input`, and returns what it printed. Throws {@link CommandFailed}. */
export function runCommand(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new CommandFailed([program, ...args].join(' '), stderr, error));
    });
    // A tool that fails early closes its input; its exit code tells why, not EPIPE.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
