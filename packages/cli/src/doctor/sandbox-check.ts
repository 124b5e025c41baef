import { mkdirSync } from 'node:fs';
import { pino } from 'pino';
import { describeFailure } from '../cli-error.ts';
import { createSandbox, killSandbox, listSandboxes } from '../client/api.ts';
import { runCommand } from '../client/sandbox.ts';
import { lockDataDir } from '../server/data-dir-lock.ts';
import { establishIdentity } from '../server/identity.ts';
import { resolvePorts } from '../server/ports.ts';
import { openServer } from '../server/server.ts';
import type { ServerState } from '../server/server-state.ts';
import type { Settings } from '../settings/schema.ts';
import { createProgress, progressPrinter } from '../terminal/progress.ts';
import { type Finding, failure, ok } from './finding.ts';

type Address = Pick<ServerState, 'apiUrl' | 'sandboxUrl' | 'apiKey' | 'runtime'>;

/** Runs one real sandbox: through the running server, else through one opened for it on free ports. */
export async function sandboxCheck(settings: Settings, server: ServerState | undefined): Promise<Finding[]> {
  try {
    if (server !== undefined) return await useSandbox(server);
    return await withOwnServer(settings, useSandbox);
  } catch (error) {
    const cure =
      server === undefined
        ? 'See the message; with --log-level debug it says more.'
        : './atoll logs   shows what the server saw';
    return [failure('sandbox', 'did not work', describeFailure(error), cure)];
  }
}

async function useSandbox(server: Address): Promise<Finding[]> {
  const began = performance.now();
  const created = await createSandbox(server, { templateID: 'base', timeout: 60, secure: true });
  try {
    const access = {
      sandboxUrl: server.sandboxUrl,
      sandboxId: created.sandboxID,
      accessToken: created.envdAccessToken,
    };
    const { exitCode, stdout, stderr } = await runCommand(access, 'uname -sr && sudo id -un');
    const took = `${(performance.now() - began).toFixed(0)} ms`;
    if (exitCode === 0 && stdout.trim().endsWith('root')) {
      return [
        ok('runtime', server.runtime),
        ok('sandbox', `created and used in ${took} (${stdout.trim().replaceAll('\n', ', ')})`),
      ];
    }
    return [failure('sandbox', `exit code ${exitCode}`, `A command in it failed: ${stderr || stdout}`, './atoll logs')];
  } finally {
    await killSandbox(server, created.sandboxID);
  }
}

async function withOwnServer(settings: Settings, use: (server: Address) => Promise<Finding[]>): Promise<Finding[]> {
  mkdirSync(settings.dataDir, { recursive: true, mode: 0o711 });
  const lock = await lockDataDir(settings.dataDir);
  try {
    const own = await resolvePorts({ ...settings, host: '127.0.0.1', apiPort: 0, edgePort: 0, poolSize: 0 });
    const { domain: _domain, tlsPort: _tlsPort, dnsPort: _dnsPort, publicHost: _publicHost, ...plain } = own;
    const logger = pino({ level: settings.logLevel === 'debug' ? 'debug' : 'fatal', base: null }, process.stderr);
    const progress = createProgress(progressPrinter(process.stderr));
    const server = await openServer({ settings: plain, identity: establishIdentity(settings), logger, progress });
    // Sandboxes that outlived a server are taken over, and left to the next one.
    const sandboxes = (await listSandboxes(server.state)).length > 0 ? 'keep' : 'remove';
    try {
      return await use(server.state);
    } finally {
      await server.close(sandboxes);
    }
  } finally {
    await lock.release();
  }
}
