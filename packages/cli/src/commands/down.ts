import { pino } from 'pino';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { dataDirReleased, lockDataDir } from '../server/data-dir-lock.ts';
import { readIdentity } from '../server/identity.ts';
import { refuseUnlessRoot } from '../server/root.ts';
import { findServer, removeServerState } from '../server/server-state.ts';
import type { Settings } from '../settings/schema.ts';
import { createProgress, progressPrinter } from '../terminal/progress.ts';

/** How long a server may take to finish its last requests. */
const STOP_DEADLINE_MS = 30_000;

export const down: Command = {
  name: 'down',
  summary: 'Stop everything and remove all that was made on this machine, except the data',
  flags: {},
  async run({ loaded: { settings } }) {
    refuseUnlessRoot('down');
    const identity = readIdentity(settings.dataDir);
    if (identity === undefined) {
      process.stdout.write(`Nothing to stop: no server ever ran on ${settings.dataDir}.\n`);
      return 0;
    }
    const progress = createProgress(progressPrinter(process.stderr));
    await progress.step('Stopping the server', () => stopServer(settings));

    // The server left its sandboxes running, as it always does; or it was killed and left who knows what. One way to
    // clean up serves both: open the host as a server would, and close it for good.
    const { openHost } = await import('../server/host.ts');
    const lock = await lockDataDir(settings.dataDir);
    try {
      const logger = pino({ level: settings.logLevel === 'debug' ? 'debug' : 'error', base: null }, process.stderr);
      await progress.step('Ending sandboxes and removing what they had', async () => {
        const host = await openHost({ settings, identity, logger, progress, poolSize: 0 });
        await host.close('remove');
      });
      removeServerState(settings.dataDir);
    } finally {
      await lock.release();
    }
    process.stdout.write(`Atoll is down. Its data stays in ${settings.dataDir}; start again with: ./atoll up\n`);
    return 0;
  },
};

async function stopServer(settings: Settings): Promise<void> {
  const server = findServer(settings.dataDir);
  if (server === undefined) return;
  process.kill(server.pid, 'SIGTERM');
  const deadline = AbortSignal.timeout(STOP_DEADLINE_MS);
  await dataDirReleased(settings.dataDir, deadline).catch((cause: unknown) => {
    throw new CliError(`The server (process ${server.pid}) did not stop within ${STOP_DEADLINE_MS / 1000} s.`, {
      remedy: `sudo kill -9 ${server.pid} && sudo ./atoll down`,
      cause,
    });
  });
}
