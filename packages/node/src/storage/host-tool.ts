import { execFile } from 'node:child_process';
import { AtollError } from '@atoll/contract';

/** Longest a host tool of this folder may take. They take milliseconds; a host in trouble with its disk takes seconds. */
const TOOL_DEADLINE_MS = 30_000;

/** A host tool ended with an error. */
export class HostToolError extends Error {
  readonly stderr: string;

  constructor(tool: string, args: readonly string[], stderr: string, cause: unknown) {
    super(`\`${tool} ${args.join(' ')}\` failed: ${stderr.trim() || String(cause)}`, { cause });
    this.name = 'HostToolError';
    this.stderr = stderr;
  }
}

/** Runs a program of the host to its end and returns what it printed. Throws {@link HostToolError}. */
export function runHostTool(tool: string, args: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      tool,
      args,
      // LC_ALL: messages are compared below and read by people who search for them.
      { timeout: TOOL_DEADLINE_MS, killSignal: 'SIGKILL', env: { ...process.env, LC_ALL: 'C' }, ...options },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
          reject(
            new AtollError('internal_server_error', `The host has no \`${tool}\`. Run \`atoll doctor\`.`, {
              cause: error,
            }),
          );
        } else reject(new HostToolError(tool, args, stderr, error));
      },
    );
  });
}
