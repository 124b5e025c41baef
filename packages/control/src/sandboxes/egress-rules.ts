import { isIP, isIPv4 } from 'node:net';
import { AtollError } from '@atoll/contract';

/** Everything, as a rule. */
export const EVERYTHING = '0.0.0.0/0';

const DOMAIN = /^(\*|(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)\.?$/i;

/** A list of rules, normalised; what of it the node enforces is the IPv4 part, since guests have no IPv6 at all. */
export interface AddressRules {
  readonly all: readonly string[];
  readonly ipv4: readonly string[];
}

/** Reads `denyOut`: addresses and CIDRs. */
export function readDenyOut(entries: readonly string[]): AddressRules {
  return collect(entries.map((entry, index) => readAddress(entry, `network.denyOut.${index}`)));
}

/** Reads `allowOut`: addresses and CIDRs; domains are named and refused. */
export function readAllowOut(entries: readonly string[], denyOut: AddressRules): AddressRules {
  const rules = entries.map((entry, index) => {
    const field = `network.allowOut.${index}`;
    const text = entry.trim();
    if (looksLikeDomain(text)) {
      if (!denyOut.all.includes(EVERYTHING)) {
        throw invalid(field, `a domain (${JSON.stringify(text)}) requires ${EVERYTHING} in denyOut`);
      }
      throw new AtollError(
        'not_implemented',
        `network.allowOut with domains (${JSON.stringify(text)}) is not implemented by this server yet; use addresses or CIDRs.`,
      );
    }
    const rule = readAddress(text, field);
    if (rule.version === 6) {
      throw new AtollError(
        'not_implemented',
        `network.allowOut with IPv6 (${JSON.stringify(text)}) is not implemented: sandboxes have no IPv6.`,
      );
    }
    return rule;
  });
  return collect(rules);
}

/** Reads a list of resolvers: IPv4 addresses. */
export function readResolvers(entries: readonly string[], field: string): string[] {
  return entries.map((entry, index) => {
    if (isIPv4(entry)) return entry;
    throw invalid(`${field}.${index}`, `must be an IPv4 address, not ${JSON.stringify(entry)}`);
  });
}

interface AddressRule {
  readonly text: string;
  readonly version: 4 | 6;
}

function collect(rules: readonly AddressRule[]): AddressRules {
  const unique = [...new Map(rules.map((rule) => [rule.text, rule])).values()];
  return {
    all: unique.map((rule) => rule.text),
    ipv4: unique.filter((rule) => rule.version === 4).map((rule) => rule.text),
  };
}

/** Reads an address or CIDR: `1.2.3.4` becomes `1.2.3.4/32`, and bits beyond the prefix are cleared. */
function readAddress(entry: string, field: string): AddressRule {
  const text = entry.trim();
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const version = isIP(address);
  if (version === 0) throw invalid(field, `must be an IP address or CIDR, not ${JSON.stringify(text)}`);
  const bits = version === 4 ? 32 : 128;
  const suffix = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(suffix) || Number(suffix) > bits) {
    throw invalid(field, `must have a prefix length of 0 to ${bits}, not ${JSON.stringify(text)}`);
  }
  if (version === 6) return { text: `${address.toLowerCase()}/${Number(suffix)}`, version: 6 };
  if (slash < 0 && address === '0.0.0.0') {
    throw invalid(field, `0.0.0.0 is not an address to reach; ${EVERYTHING} means everything`);
  }
  return { text: maskIPv4(address, Number(suffix)), version: 4 };
}

function maskIPv4(address: string, prefix: number): string {
  const value = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - prefix);
  const network = Math.floor(value / size) * size;
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256);
  return `${octets.join('.')}/${prefix}`;
}

function looksLikeDomain(text: string): boolean {
  // All digits and dots is a mistyped address, never a name.
  return DOMAIN.test(text) && isIP(text) === 0 && !/^[0-9.]+$/.test(text);
}

function invalid(field: string, message: string): AtollError {
  return new AtollError('invalid_request', `validation error: ${field} ${message}`);
}
