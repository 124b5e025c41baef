import { join } from 'node:path';
import { RouteRegistry } from '@atoll/bus';
import { openControl, openStore } from '@atoll/control';
import { type Edge, openEdge } from '@atoll/edge';
import type { Logger } from 'pino';
import type { Settings } from '../settings/schema.ts';
import type { Progress } from '../terminal/progress.ts';
import { VERSION } from '../version.ts';
import { provideBaseTemplate } from './base-template.ts';
import { openHost } from './host.ts';
import type { Identity } from './identity.ts';
import { ownIdentity } from './process-identity.ts';
import type { ServerState } from './server-state.ts';
import { provideTlsFiles, type TlsFiles } from './tls-files.ts';

/** A server that answers. */
export interface Server {
  readonly state: ServerState;
  readonly tls: { readonly url: string; readonly authority: string | undefined } | undefined;
  /** Stops listening. Sandboxes go on running for the next server, or end and leave nothing behind. */
  close(sandboxes: 'keep' | 'remove'): Promise<void>;
}

/** Puts the three roles together in this process: node, control, edge. What was opened is closed when a later part fails. */
export async function openServer(options: {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly logger: Logger;
  readonly progress: Progress;
}): Promise<Server> {
  const { settings, identity, logger, progress } = options;
  const closers: ((sandboxes: 'keep' | 'remove') => Promise<void>)[] = [];
  const close = async (sandboxes: 'keep' | 'remove') => {
    for (const closer of closers.splice(0).reverse()) {
      await closer(sandboxes).catch((error: unknown) =>
        logger.error({ err: error }, 'A part of the server did not close.'),
      );
    }
  };
  try {
    // 1. The node and the template it starts sandboxes from.
    const host = await openHost({ settings, identity, logger, progress, poolSize: settings.poolSize });
    closers.push((sandboxes) => host.close(sandboxes));
    await provideBaseTemplate(host, settings, progress, logger);

    // 2. The edge, which needs only the routes that control will publish.
    const routes = new RouteRegistry();
    const files = settings.tlsPort === undefined ? undefined : await tlsFiles(settings);
    const edge = await openEdge({ routes, ...edgeOptions(settings, files), logger });
    closers.push(() => edge.close());
    const sandboxUrl = urlOf(settings, edge.port);

    // 3. The API.
    const store = await openStore({
      url: settings.databaseUrl ?? `sqlite:${join(settings.dataDir, 'atoll.db')}`,
      logger,
    });
    closers.push(() => store.close());
    const control = await openControl({
      store,
      node: host.node,
      routes,
      host: settings.host,
      port: settings.apiPort,
      ...(settings.domain === undefined ? {} : { domain: settings.domain }),
      sandboxUrl,
      alwaysSecure: settings.alwaysSecure,
      limits: { maxTimeoutSeconds: settings.maxTimeoutSeconds, maxSandboxesPerTeam: settings.maxSandboxes },
      seedApiKey: identity.apiKey,
      seedAccessToken: identity.accessToken,
      adminToken: identity.adminToken,
      version: VERSION,
      logger,
    });
    closers.push(() => control.close());

    const state: ServerState = {
      ...ownIdentity(),
      apiUrl: urlOf(settings, settings.apiPort),
      sandboxUrl,
      domain: settings.domain ?? null,
      apiKey: identity.apiKey,
      accessToken: identity.accessToken,
      adminToken: identity.adminToken,
      runtime: `${host.runtime.name} ${host.runtime.version}`,
      version: VERSION,
      instance: identity.instance,
    };
    return { state, tls: tlsOf(settings, edge, files), close };
  } catch (error) {
    await close('keep');
    throw error;
  }
}

async function tlsFiles(settings: Settings): Promise<TlsFiles | undefined> {
  return settings.domain === undefined ? undefined : provideTlsFiles(settings, settings.domain);
}

function edgeOptions(settings: Settings, files: TlsFiles | undefined) {
  const { domain, tlsPort, dnsPort } = settings;
  return {
    host: settings.host,
    port: settings.edgePort,
    apiUrl: `http://${settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host}:${settings.apiPort}`,
    ...(domain === undefined ? {} : { domain }),
    ...(settings.publicHost === undefined ? {} : { sandboxHosts: [settings.publicHost] }),
    ...(tlsPort === undefined || files === undefined
      ? {}
      : { tls: { port: tlsPort, cert: files.cert, key: files.key } }),
    ...(dnsPort === undefined
      ? {}
      : { dns: { address: settings.host, port: dnsPort, answer: settings.dnsAddress ?? publicHost(settings) } }),
  };
}

function tlsOf(settings: Settings, edge: Edge, files: TlsFiles | undefined): Server['tls'] {
  if (edge.tlsPort === undefined || settings.domain === undefined) return undefined;
  const port = edge.tlsPort === 443 ? '' : `:${edge.tlsPort}`;
  return { url: `https://<port>-<id>.${settings.domain}${port}`, authority: files?.authority };
}

function urlOf(settings: Settings, port: number): string {
  return `http://${publicHost(settings)}:${port}`;
}

/** The name under which this machine's users reach it; a wildcard address is nothing to connect to. */
function publicHost(settings: Settings): string {
  if (settings.publicHost !== undefined) return settings.publicHost;
  return settings.host === '0.0.0.0' || settings.host === '::' ? '127.0.0.1' : settings.host;
}
