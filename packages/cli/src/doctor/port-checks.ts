import { createServer } from 'node:net';
import type { Settings } from '../settings/schema.ts';
import { type Finding, failure, ok } from './finding.ts';

/** Whether the ports of the settings can be listened on. */
export function portChecks(settings: Settings): Promise<Finding[]> {
  const ports = [
    ['api-port', settings.apiPort],
    ['edge-port', settings.edgePort],
    ['tls-port', settings.tlsPort],
  ] as const;
  const wanted = ports.flatMap(([flag, port]) => (port === undefined || port === 0 ? [] : [{ flag, port }]));
  return Promise.all(
    wanted.map(async ({ flag, port }) => {
      const name = `port ${port}`;
      const problem = await tryToListen(settings.host, port);
      if (problem === undefined) return ok(name, 'free');
      const cure =
        problem === 'EADDRINUSE'
          ? `Stop what uses it (ss -ltnp 'sport = :${port}'), or choose another: --${flag}`
          : `Choose another: --${flag}`;
      return failure(name, problem, 'The server cannot listen there.', cure);
    }),
  );
}

/** The code of the error that listening gives; undefined when it works. */
function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
