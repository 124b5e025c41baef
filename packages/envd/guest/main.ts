import { ENVD_PORT } from '@atoll/contract';
import { EnvdError } from './errors.ts';
import { LogRing } from './logs.ts';
import { dropAmbientCapabilities } from './native/credentials.ts';
import { ProcessTable } from './process/process-table.ts';
import { createHandler, errorAnswer } from './routes.ts';
import { reapOrphans } from './sandbox/reaper.ts';
import { initialSettings } from './settings.ts';

/** envd: the daemon inside every sandbox. `envd [port]`; the port is another one only in tests. */
const port = Number(process.argv[2] ?? ENVD_PORT);

const settings = initialSettings();
const logs = new LogRing();
const processes = new ProcessTable();

dropAmbientCapabilities();
if (process.pid === 1) reapOrphans((pid) => processes.isChild(pid));

const handler = createHandler({ port, settings, processes, logs });
Bun.serve({
  port,
  hostname: '0.0.0.0',
  // Streams may be silent for hours; their own keepalives and deadlines rule.
  idleTimeout: 0,
  // Uploads go to disk as they come.
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  fetch: handler,
  error: (error) => errorAnswer(EnvdError.from(error)),
});

// A fault in one request must not end the sandbox.
process.on('uncaughtException', (error) => logs.add('error', 'envd', error.message, { stack: error.stack ?? '' }));
process.on('unhandledRejection', (reason) => logs.add('error', 'envd', String(reason)));
