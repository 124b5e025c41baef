import { Agent } from 'node:http';
import { isIPv6 } from 'node:net';
import type { GatewayContext } from './gateway.ts';
import { listen } from './listener.ts';
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
  const plain = await listen({ host, port: options.port }, context);
  return {
    url: `http://${reachable(host)}:${plain.port}`,
    port: plain.port,
    close: async () => {
      await plain.close();
      lives.close();
      api?.agent.destroy();
    },
  };
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
