import { Agent } from 'node:http';
import { isIPv6 } from 'node:net';
import { AtollError } from '@atoll/contract';
import type { Logger } from 'pino';
import { loadCertificate, watchCertificate } from './certificate-files.ts';
import { openDnsServer } from './dns-server.ts';
import type { GatewayContext } from './gateway.ts';
import { type Listener, listen } from './listener.ts';
import { DEFAULT_EDGE_LIMITS, type Edge, type EdgeOptions } from './options.ts';
import { SignatureSearch } from './signature-search.ts';
import { SandboxLives } from './upstream.ts';

/** Opens the reverse proxy from clients to sandboxes. */
export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const { routes, host, logger } = options;
  const limits = { ...DEFAULT_EDGE_LIMITS, ...options.limits };
  const domain = options.domain?.toLowerCase();
  const lives = new SandboxLives(routes);
  const api = options.apiUrl === undefined ? undefined : apiTarget(options.apiUrl);
  const context: GatewayContext = {
    addressing: {
      routes,
      domain,
      signatures: new SignatureSearch({ routes, domain, hashesPerSecond: limits.signatureHashesPerSecond }),
      sandboxHosts: new Set((options.sandboxHosts ?? []).map((name) => name.toLowerCase())),
      apiServed: api !== undefined,
    },
    lives,
    limits,
    api,
    logger,
  };
  const opened: (() => void | Promise<void>)[] = [() => lives.close(), () => api?.agent.destroy()];
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  try {
    const plain = await listen({ host, port: options.port }, context);
    opened.push(plain.close);
    const secure = options.tls === undefined ? undefined : await openTls(options.tls, host, context, opened);
    const dns = options.dns === undefined ? undefined : await openDns(options.dns, domain, logger);
    if (dns !== undefined) opened.push(dns.close);
    return {
      url: `http://${reachable(host)}:${plain.port}`,
      port: plain.port,
      ...(secure === undefined ? {} : { tlsUrl: `https://${reachable(host)}:${secure.port}`, tlsPort: secure.port }),
      ...(dns === undefined ? {} : { dnsPort: dns.port }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openTls(
  tls: NonNullable<EdgeOptions['tls']>,
  host: string,
  context: GatewayContext,
  opened: (() => void | Promise<void>)[],
): Promise<Listener> {
  const listener = await listen({ host, port: tls.port, tls: await loadCertificate(tls) }, context);
  opened.push(listener.close);
  const watcher = watchCertificate(tls, (credentials) => listener.renewCertificate(credentials), context.logger);
  opened.push(watcher.close);
  return listener;
}

async function openDns(dns: NonNullable<EdgeOptions['dns']>, domain: string | undefined, logger: Logger) {
  if (domain === undefined) throw new AtollError('invalid_request', 'A DNS answer needs a domain to answer for.');
  return await openDnsServer({ domain, address: dns.answer, listenAddress: dns.address, port: dns.port, logger });
}

function apiTarget(apiUrl: string): { address: string; port: number; agent: Agent } {
  const url = new URL(apiUrl);
  return {
    address: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port === '' ? 80 : url.port),
    agent: new Agent({ keepAlive: true, maxFreeSockets: 64 }),
  };
}

/** An address that a client on this machine can use for what we listen on. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
}
