import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { CliError } from '../cli-error.ts';

/** Second byte of the 10.x.0.0/16 ranges that are tried: the low ones are what people use by hand. */
const FIRST = 64;
const LAST = 250;

/** A /16 or smaller network: its first address as a number, and the bits of its mask. */
interface Network {
  readonly address: number;
  readonly mask: number;
}

/**
 * A 10.x.0.0/16 that nothing on this machine uses: no route, no interface, no resolver. Where the search begins depends
 * on `seed`, so that two instances that start at once take different ones.
 */
export function chooseNetworkRange(seed: string): string {
  return firstFreeRange(seed, [
    ...routedNetworks(readFileSync('/proc/net/route', 'utf8')),
    ...ownNetworks(),
    ...resolvers(),
  ]);
}

/** The choice itself. Throws when every range overlaps a used network. */
export function firstFreeRange(seed: string, used: readonly Network[]): string {
  const count = LAST - FIRST + 1;
  const start = createHash('sha256').update(seed).digest().readUInt32BE(0) % count;
  for (let i = 0; i < count; i += 1) {
    const second = FIRST + ((start + i) % count);
    const range = { address: ((10 << 24) | (second << 16)) >>> 0, mask: 0xffff0000 };
    if (!used.some((network) => overlaps(network, range))) return `10.${second}.0.0/16`;
  }
  throw new CliError('No free 10.x.0.0/16 range was found for the sandboxes: all of them are routed on this machine.', {
    remedy: 'Name one yourself: --cidr 172.20.0.0/16',
  });
}

function overlaps(one: Network, other: Network): boolean {
  const mask = one.mask & other.mask;
  return (one.address & mask) === (other.address & mask);
}

/** Destinations of the kernel's routes, but for the default route. Numbers there are in host byte order (little-endian). */
export function routedNetworks(table: string): Network[] {
  return table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .map((fields) => ({ address: fromLittleEndian(fields[1]), mask: fromLittleEndian(fields[7]) }))
    .filter((network) => network.mask !== 0);
}

function fromLittleEndian(hex = '0'): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Number.parseInt(hex, 16) >>> 0);
  return bytes.readUInt32LE(0);
}

function ownNetworks(): Network[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => address.family === 'IPv4')
    .map((address) => ({ address: toNumber(address.address), mask: toNumber(address.netmask) }));
}

function resolvers(): Network[] {
  let text = '';
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    // A machine without the file has no resolver to protect.
  }
  return [...text.matchAll(/^nameserver\s+([0-9.]+)$/gm)].map((match) => ({
    address: toNumber(match[1] ?? ''),
    mask: 0xffffffff,
  }));
}

function toNumber(address: string): number {
  return address.split('.').reduce((value, byte) => ((value << 8) | Number(byte)) >>> 0, 0);
}
