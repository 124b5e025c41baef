import { AtollError, type EgressPolicy, ENVD_PORT, type PortRule } from '@atoll/contract';
import type { NetworkBody, NetworkUpdateBody } from '@atoll/contract/rest';
import { EVERYTHING, readAllowOut, readDenyOut, readResolvers } from './egress-rules.ts';
import type { NetworkSettings } from './record.ts';

type EgressBody = Omit<NetworkUpdateBody, 'allow_internet_access'>;
type EgressSettings = Pick<NetworkSettings, 'allowOut' | 'denyOut' | 'dnsServers' | 'dns' | 'ports'>;

// biome-ignore lint/suspicious/noTemplateCurlyInString: the wire's literal, filled in by the edge
const PORT_PLACEHOLDER = '${PORT}';
const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i;

/** Reads `network` and `allow_internet_access` of a create request. A boolean `network` is short for the latter. */
export function readNetwork(
  network: NetworkBody | boolean | undefined,
  allowInternetAccess: boolean | undefined,
): NetworkSettings {
  const body = typeof network === 'object' ? network : {};
  const internet = allowInternetAccess ?? (typeof network === 'boolean' ? network : undefined);
  return {
    ...(internet !== undefined && { allowInternetAccess: internet }),
    ...readEgress(body),
    ...(body.allowPublicTraffic !== undefined && { allowPublicTraffic: body.allowPublicTraffic }),
    ...(body.maskRequestHost !== undefined && { maskRequestHost: readMaskedHost(body.maskRequestHost) }),
    ...(body.httpsPorts !== undefined && { httpsPorts: readHttpsPorts(body.httpsPorts) }),
  };
}

/** The settings after a network update: the egress part is replaced whole, the ingress part stays. */
export function updateNetwork(present: NetworkSettings, update: NetworkUpdateBody): NetworkSettings {
  const { allowOut, denyOut, dnsServers, dns, ports, ...ingress } = present;
  return {
    ...ingress,
    ...readEgress(update),
    ...(update.allow_internet_access !== undefined && { allowInternetAccess: update.allow_internet_access }),
  };
}

/**
 * How `blockAutoDetect` is enforced: the guest asks the node's DNS, which asks the named resolvers for it, and every
 * way around the node's DNS is closed.
 */
const OTHER_RESOLVERS_CLOSED: readonly PortRule[] = [
  { port: 53, protocol: 'udp', access: 'deny' },
  { port: 53, protocol: 'tcp', access: 'deny' },
];

/** What the node enforces of the settings. */
export function egressPolicy(settings: NetworkSettings): EgressPolicy {
  const denyOut = readDenyOut(settings.denyOut ?? []);
  const onlyNamedResolvers = settings.dns?.blockAutoDetect === true;
  const resolvers = settings.dns?.customServers ?? (onlyNamedResolvers ? [] : undefined);
  const closed = settings.allowInternetAccess === false && !denyOut.ipv4.includes(EVERYTHING);
  return {
    allowOut: readAllowOut(settings.allowOut ?? [], denyOut).ipv4,
    denyOut: closed ? [...denyOut.ipv4, EVERYTHING] : denyOut.ipv4,
    ports: [...(settings.ports ?? []), ...(onlyNamedResolvers ? OTHER_RESOLVERS_CLOSED : [])],
    ...(settings.dnsServers && { dnsServers: settings.dnsServers }),
    ...(resolvers && { resolvers }),
  };
}

function readEgress(body: EgressBody): EgressSettings {
  if (body.egressProxy !== undefined) throw later('network.egressProxy');
  if (body.rules !== undefined && Object.keys(body.rules).length > 0) throw later('network.rules');
  if (body.vpn?.enabled === true) throw later('network.vpn');
  if (body.dns?.blockAutoDetect === true && (body.dnsServers ?? []).length > 0) {
    throw later('network.dns.blockAutoDetect together with network.dnsServers');
  }
  const denyOut = body.denyOut && readDenyOut(body.denyOut);
  const allowOut = body.allowOut && readAllowOut(body.allowOut, denyOut ?? readDenyOut([]));
  return {
    ...(allowOut && { allowOut: [...allowOut.all] }),
    ...(denyOut && { denyOut: [...denyOut.all] }),
    ...(body.dnsServers && { dnsServers: readResolvers(body.dnsServers, 'network.dnsServers') }),
    ...(body.dns && {
      dns: {
        ...body.dns,
        ...(body.dns.customServers && {
          customServers: readResolvers(body.dns.customServers, 'network.dns.customServers'),
        }),
      },
    }),
    ...(body.ports && { ports: body.ports }),
  };
}

function readMaskedHost(text: string): string {
  const [, host = '', port] = /^([^:]*)(?::(.*))?$/.exec(text.replaceAll(PORT_PLACEHOLDER, '1')) ?? [];
  const validPort = port === undefined || (/^[0-9]{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535);
  if (HOST.test(host) && validPort) return text;
  throw new AtollError(
    'invalid_request',
    `validation error: network.maskRequestHost must be host[:port] in ASCII, not ${JSON.stringify(text.slice(0, 256))}`,
  );
}

function readHttpsPorts(ports: readonly number[]): number[] {
  for (const port of ports) {
    if (port < 1 || port > 65535 || port === ENVD_PORT) {
      throw new AtollError(
        'invalid_request',
        `validation error: network.httpsPorts must hold ports 1 to 65535 other than ${ENVD_PORT}, not ${port}`,
      );
    }
  }
  return [...new Set(ports)];
}

function later(field: string): AtollError {
  return new AtollError('not_implemented', `${field} is not implemented by this server yet.`);
}
