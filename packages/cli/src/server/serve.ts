import { mkdirSync } from 'node:fs';
import { destination, type Logger, pino } from 'pino';
import { describeFailure } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';
import { prettyLogStream } from '../terminal/log-stream.ts';
import { createProgress, progressPrinter } from '../terminal/progress.ts';
import { banner } from './banner.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { tellStarter } from './detach.ts';
import { establishIdentity } from './identity.ts';
import { resolvePorts } from './ports.ts';
import { openServer } from './server.ts';
import { removeServerState, writeServerState } from './server-state.ts';

/** Runs a server in this process until it is told to stop. Returns the exit code. */
export async function serve(asked: Settings): Promise<number> {
  const logger = createLogger(asked);
  const detached = process.env.ATOLL_DETACHED === '1';
  const print = progressPrinter(process.stderr);
  const progress = createProgress((event) => (detached ? tellStarter({ kind: 'progress', event }) : print(event)));
  const stopped = stopSignal();
  try {
    mkdirSync(asked.dataDir, { recursive: true, mode: 0o711 });
    const lock = await lockDataDir(asked.dataDir);
    try {
      const settings = await resolvePorts(asked);
      const server = await openServer({ settings, identity: establishIdentity(settings), logger, progress });
      writeServerState(settings.dataDir, server.state);
      logger.info({ apiUrl: server.state.apiUrl, sandboxUrl: server.state.sandboxUrl }, 'Atoll is ready.');
      if (detached) tellStarter({ kind: 'ready', state: server.state, tls: server.tls });
      else process.stdout.write(banner(server.state, server.tls));

      const signal = await stopped;
      logger.info({ signal }, 'Stopping. Sandboxes go on running; `atoll down` ends them.');
      await server.close('keep');
      removeServerState(settings.dataDir);
    } finally {
      await lock.release();
    }
    return 0;
  } catch (error) {
    logger.error({ err: error }, 'The server could not go on.');
    tellStarter({ kind: 'failed', message: describeFailure(error) });
    if (!detached) process.stderr.write(`atoll: ${describeFailure(error)}\n`);
    return 1;
  }
}

function createLogger(settings: Settings): Logger {
  const pretty = process.stderr.isTTY === true && !settings.jsonLogs;
  const stream = pretty ? prettyLogStream(process.stderr) : destination({ dest: 2, sync: true });
  return pino({ level: settings.logLevel, base: null }, stream);
}

/** Resolves with the first signal to stop. A second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      resolve(signal);
      process.once(signal, () => process.exit(130));
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  });
}
