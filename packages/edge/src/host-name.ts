import { isIPv4, isIPv6 } from 'node:net';

const MAX_HOST_NAME_LENGTH = 253;

/**
 * Reads the name out of a `Host` value (`name[:port]`, `[v6][:port]`), lower-case and without a final dot.
 * Undefined for anything that no client of ours would send: user info, blanks, other characters.
 */
export function hostNameOf(host: string): string | undefined {
  const literal = /^\[([0-9a-f:.]+)\](?::[0-9]{1,5})?$/i.exec(host)?.[1];
  if (literal !== undefined) return isIPv6(literal) ? literal.toLowerCase() : undefined;
  const name = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::[0-9]{1,5})?$/i.exec(host)?.[1];
  if (name === undefined || name.length > MAX_HOST_NAME_LENGTH) return undefined;
  return name.toLowerCase();
}

/** True for an IPv4 or IPv6 address in text. */
export function isAddressLiteral(name: string): boolean {
  return isIPv4(name) || isIPv6(name);
}
