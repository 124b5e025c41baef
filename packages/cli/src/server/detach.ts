import { fork } from 'node:child_process';
import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../cli-error.ts';
import type { LoadedSettings } from '../settings/load.ts';
import { SETTINGS } from '../settings/schema.ts';
import { type ProgressEvent, progressPrinter } from '../terminal/progress.ts';
import { lastLines, logFile, openLogFile } from './log-file.ts';
import type { Server } from './server.ts';
import type { ServerState } from './server-state.ts';

/** What is known of a server once it is ready. */
export interface ReadyServer {
  readonly state: ServerState;
  readonly tls: Server['tls'];
}

/** What a detached server tells the command that started it, until it is ready. */
export type StartMessage =
  | { readonly kind: 'progress'; readonly event: ProgressEvent }
  | ({ readonly kind: 'ready' } & ReadyServer)
  | { readonly kind: 'failed'; readonly message: string };

const MAIN = join(import.meta.dirname, '..', 'main.ts');
const LINES_OF_A_FAILED_START = 20;

/**
 * Starts a server in a session of its own and waits until it is ready; its log goes to a file. Readiness races against
 * the end of the process, so a start that fails cannot hang; then its words are shown.
 */
export async function startDetached(loaded: LoadedSettings): Promise<ReadyServer> {
  const { dataDir } = loaded.settings;
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const log = openLogFile(dataDir);
  const child = fork(MAIN, ['up', ...flagsOf(loaded)], {
    detached: true,
    cwd: '/',
    env: { ...process.env, ATOLL_DETACHED: '1' },
    stdio: ['ignore', log.descriptor, log.descriptor, 'ipc'],
  });
  closeSync(log.descriptor);
  const show = progressPrinter(process.stderr);
  const interrupt = () => child.kill('SIGTERM');
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await new Promise<ReadyServer>((resolve, reject) => {
      child.on('message', (message: StartMessage) => {
        if (message.kind === 'progress') show(message.event);
        else if (message.kind === 'ready') resolve(message);
        else reject(new CliError(message.message));
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const lines = lastLines(dataDir, LINES_OF_A_FAILED_START, log.length).join('\n');
        reject(
          new CliError(`The server ended while it started (${signal ?? `exit code ${code}`}).\n${lines}`, {
            remedy: `The whole log: ${logFile(dataDir)}`,
          }),
        );
      });
    });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** Sends a message to the command that started us, when one did. Nobody listens any more once it has gone. */
export function tellStarter(message: StartMessage): void {
  if (process.env.ATOLL_DETACHED === '1' && process.connected) process.send?.(message, () => {});
}

/** The flags that lead to the same settings; variables and the configuration file are inherited. */
function flagsOf({ settings, origins, configFile }: LoadedSettings): string[] {
  const flags = SETTINGS.flatMap(({ name, flag }) => {
    const value = settings[name];
    if (origins[name] !== 'flag' || value === undefined) return [];
    if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`];
    return [`--${flag}=${String(value)}`];
  });
  return configFile === undefined ? flags : [...flags, `--config=${configFile}`];
}
