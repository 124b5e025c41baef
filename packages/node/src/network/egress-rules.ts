import { AtollError, type EgressPolicy } from '@atoll/contract';
import { type AddressRange, isInside, mergeRanges, parseAddress, parseCidr } from './cidr.ts';

/**
 * What no guest reaches unless a setting opens it: private, shared, loopback, link-local (cloud metadata among it),
 * "this network", multicast and reserved addresses (RFC 6890). The documentation ranges are not here: they route nowhere
 * on the internet, and closed networks use them as public ones.
 */
const PROTECTED_CIDRS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** What the node's settings say about every guest. */
export interface NetworkGuard {
  /** Never reached, except through {@link NetworkGuard.opened}. */
  readonly protectedRanges: readonly AddressRange[];
  /** Protected ranges that a policy's `allowOut` may open. */
  readonly openable: readonly AddressRange[];
}

export function guardNetwork(guests: AddressRange, allowedPrivate: readonly string[]): NetworkGuard {
  return {
    protectedRanges: mergeRanges([...PROTECTED_CIDRS.map(parseCidr), guests]),
    openable: allowedPrivate.map(parseCidr),
  };
}

/** A policy ready for the firewall. Ranges are merged and in order. */
export interface EgressRules {
  /** Protected addresses this guest may reach: named by the policy and permitted by the settings. */
  readonly opened: readonly AddressRange[];
  /** Beats `denied`. */
  readonly allowed: readonly AddressRange[];
  readonly denied: readonly AddressRange[];
  /** Destination ports closed whatever the address. */
  readonly closedPorts: { readonly tcp: readonly number[]; readonly udp: readonly number[] };
}

/**
 * Reads a policy. An `allowOut` entry inside a protected range that no setting permits is refused, because it would
 * have no effect. Port rules only close: what `denyOut` closes stays closed on a port that a rule allows.
 */
export function compileEgress(egress: EgressPolicy, guard: NetworkGuard): EgressRules {
  const named = [...egress.allowOut, ...(egress.dnsServers ?? []), ...(egress.resolvers ?? [])];
  const allowed = named.map((entry) => {
    const range = parseCidr(entry);
    if (isInside(range, guard.protectedRanges) && !isInside(range, guard.openable)) {
      throw new AtollError(
        'invalid_request',
        `"${entry}" is in a range that this host keeps closed to sandboxes; its operator can open it in the settings.`,
      );
    }
    return range;
  });
  const closed = (protocol: 'tcp' | 'udp') => {
    const rules = egress.ports.filter((rule) => rule.access === 'deny' && rule.protocol === protocol);
    return [...new Set(rules.map((rule) => checkedPort(rule.port)))].sort((a, b) => a - b);
  };
  return {
    opened: mergeRanges(allowed.filter((range) => isInside(range, guard.openable))),
    allowed: mergeRanges(allowed),
    denied: mergeRanges(egress.denyOut.map(parseCidr)),
    closedPorts: { tcp: closed('tcp'), udp: closed('udp') },
  };
}

/** Whether these rules are those of a guest whose creator said nothing; such guests share one chain. */
export function isDefaultEgress(rules: EgressRules): boolean {
  const { tcp, udp } = rules.closedPorts;
  return rules.opened.length + rules.denied.length + tcp.length + udp.length === 0;
}

/** Whether the policy leaves the guest nothing to talk to, so that a name could only serve to carry data out. */
export function isCutOff(egress: EgressPolicy): boolean {
  const named = egress.allowOut.length + (egress.dnsServers?.length ?? 0) + (egress.resolvers?.length ?? 0);
  return named === 0 && isInside(parseCidr('0.0.0.0/0'), mergeRanges(egress.denyOut.map(parseCidr)));
}

/** Resolvers that the node's DNS may ask for this guest: the same limits as for the guest itself. */
export function permittedResolvers(egress: EgressPolicy, guard: NetworkGuard): readonly string[] | undefined {
  return egress.resolvers?.filter((entry) => {
    const address = parseAddress(entry);
    const range = { first: address, last: address };
    return !isInside(range, guard.protectedRanges) || isInside(range, guard.openable);
  });
}

function checkedPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AtollError('invalid_request', `${port} is not a port (1 to 65535).`);
  }
  return port;
}
