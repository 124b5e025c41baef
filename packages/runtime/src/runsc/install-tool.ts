import { execFile } from 'node:child_process';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const MAX_MESSAGE_CHARACTERS = 600;

/** Runs a tool of an installation to its end and returns what it printed. Throws an error with its last words. */
export function runInstallTool(
  tool: string,
  args: readonly string[],
  options: { deadlineMs: number; env?: NodeJS.ProcessEnv; signal?: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      tool,
      args,
      {
        timeout: options.deadlineMs,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
        env: options.env ?? process.env,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${tool}: ${lastWords(stderr) || error.message}`, { cause: error }));
      },
    );
  });
}

function lastWords(output: string): string {
  return output.trim().slice(-MAX_MESSAGE_CHARACTERS);
}
