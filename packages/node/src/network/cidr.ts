import { isIPv4 } from 'node:net';
import { AtollError } from '@atoll/contract';

/** IPv4 addresses from `first` to `last`, both included, as unsigned 32-bit numbers. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

/** Reads a dotted IPv4 address as an unsigned 32-bit number. */
export function parseAddress(text: string): number {
  if (!isIPv4(text)) throw new AtollError('invalid_request', `"${text}" is not an IPv4 address.`);
  return text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** Reads `a.b.c.d` or `a.b.c.d/bits`. Host bits are ignored, as the kernel does. */
export function parseCidr(text: string): AddressRange {
  const [address = '', bits = '32', ...rest] = text.split('/');
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : Number.NaN;
  if (rest.length > 0 || !isIPv4(address) || !(prefix <= 32)) {
    throw new AtollError('invalid_request', `"${text}" is not an IPv4 address or CIDR range.`);
  }
  const size = 2 ** (32 - prefix);
  const first = Math.floor(parseAddress(address) / size) * size;
  return { first, last: first + size - 1 };
}

/** Whether every address of `inner` is in one of `outer`. Ranges of `outer` are taken one by one, as they are written. */
export function isInside(inner: AddressRange, outer: readonly AddressRange[]): boolean {
  return outer.some((range) => range.first <= inner.first && inner.last <= range.last);
}

/** The same addresses as the fewest ranges, in order: nftables refuses sets whose intervals overlap. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.last + 1) {
      merged[merged.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) };
    } else {
      merged.push(range);
    }
  }
  return merged;
}

/** As an nftables set writes it. */
export function formatRange(range: AddressRange): string {
  return range.first === range.last
    ? formatAddress(range.first)
    : `${formatAddress(range.first)}-${formatAddress(range.last)}`;
}

/** The fewest CIDRs that hold exactly the addresses of a range. */
export function coverWithCidrs(range: AddressRange): string[] {
  const cidrs: string[] = [];
  for (let first = range.first; first <= range.last; ) {
    let bits = 32;
    // Widen while the block stays aligned and within the range.
    while (bits > 0 && first % 2 ** (33 - bits) === 0 && first + 2 ** (33 - bits) - 1 <= range.last) bits -= 1;
    cidrs.push(`${formatAddress(first)}/${bits}`);
    first += 2 ** (32 - bits);
  }
  return cidrs;
}
