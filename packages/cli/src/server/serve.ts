import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { destination, type Logger, pino } from 'pino';
import { CliError, describeFailure } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';
import { prettyLogStream } from '../terminal/log-stream.ts';
import { createProgress, type ProgressEvent, progressPrinter } from '../terminal/progress.ts';
import { banner } from './banner.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { tellStarter } from './detach.ts';
import { establishIdentity } from './identity.ts';
import { requirePorts, resolvePorts } from './ports.ts';
import { openServer } from './server.ts';
import { removeServerState, writeServerState } from './server-state.ts';

/** Runs a server in this process until it is told to stop. Returns the exit code. */
export async function serve(asked: Settings): Promise<number> {
  const logger = createLogger(asked);
  const detached = process.env.ATOLL_DETACHED === '1';
  const print = progressPrinter(process.stderr);
  const stop = stopSignal();
  const show = (event: ProgressEvent) => (detached ? tellStarter({ kind: 'progress', event }) : print(event));
  const progress = createProgress(show, stop);
  try {
    mkdirSync(asked.dataDir, { recursive: true, mode: 0o711 });
    const lock = await lockDataDir(asked.dataDir);
    try {
      const settings = await resolvePorts(asked);
      await requirePorts(settings);
      const server = await openServer({ settings, identity: establishIdentity(settings), logger, progress });
      writeServerState(settings.dataDir, server.state);
      logger.info({ apiUrl: server.state.apiUrl, sandboxUrl: server.state.sandboxUrl }, 'Atoll is ready.');
      if (detached) tellStarter({ kind: 'ready', state: server.state, tls: server.tls });
      else process.stdout.write(banner(server.state, server.tls));

      if (!stop.aborted) await once(stop, 'abort');
      logger.info('Stopping. Sandboxes go on running; `atoll down` ends them.');
      await server.close('keep');
      removeServerState(settings.dataDir);
    } finally {
      await lock.release();
    }
    return 0;
  } catch (error) {
    // What the person at the terminal reads anyway need not be logged there too.
    if (detached || !(error instanceof CliError)) logger.error({ err: error }, 'The server could not go on.');
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

/** Aborts with the first signal to stop: a start is given up, a server closes. A second one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
    controller.abort(new CliError(`Stopped by ${signal} before it was ready.`));
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return controller.signal;
}
