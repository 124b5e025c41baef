import { AUTHORITATIVE_ANSWER, decode, encode, type Packet, RECURSION_AVAILABLE } from 'dns-packet';
import { isInside, parseAddress } from './cidr.ts';
import type { NetworkGuard } from './egress-rules.ts';

/** Response codes (RFC 1035, 4.1.1). */
const NO_ERROR = 0;
const SERVER_FAILURE = 2;
const NAME_ERROR = 3;
const NOT_IMPLEMENTED = 4;
const REFUSED = 5;

export type LocalVerdict = 'no_data' | 'no_such_name' | 'not_implemented' | 'refused' | 'failed';

const RESPONSE_CODES: Record<LocalVerdict, number> = {
  no_data: NO_ERROR,
  no_such_name: NAME_ERROR,
  not_implemented: NOT_IMPLEMENTED,
  refused: REFUSED,
  failed: SERVER_FAILURE,
};

/** Reads a query; undefined when it is none (malformed, an answer, not exactly one question). */
export function readQuery(message: Buffer): Packet | undefined {
  try {
    const packet = decode(message);
    return packet.type === 'query' && packet.questions?.length === 1 ? packet : undefined;
  } catch {
    return undefined;
  }
}

/** What the resolver says of itself, without asking anybody; undefined when it has to ask. */
export function answerLocally(query: Packet, guard: NetworkGuard): LocalVerdict | undefined {
  const question = query.questions?.[0];
  if (question === undefined) return 'refused';
  // Only queries for names, no zone transfers, and no ANY: it serves amplification only (RFC 8482).
  if ((((query.flags ?? 0) >> 11) & 15) !== 0) return 'not_implemented';
  if (['ANY', 'AXFR', 'IXFR'].includes(question.type)) return 'not_implemented';
  // No IPv6 leaves a guest; clients that get addresses try them first and wait.
  if (question.type === 'AAAA') return 'no_data';
  if (question.type === 'PTR' && isProtectedReverse(question.name, guard)) return 'no_such_name';
  return undefined;
}

export function encodeVerdict(query: Packet, verdict: LocalVerdict): Buffer {
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags: ((query.flags ?? 0) & 0x0100) | RECURSION_AVAILABLE | AUTHORITATIVE_ANSWER | RESPONSE_CODES[verdict],
    questions: query.questions ?? [],
  });
}

/** Reverse names of addresses that guests do not reach would tell them about the host's network. */
function isProtectedReverse(name: string, guard: NetworkGuard): boolean {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa\.?$/i.exec(name)?.slice(1).reverse();
  if (octets === undefined || octets.some((octet) => Number(octet) > 255)) return false;
  const address = parseAddress(octets.map(Number).join('.'));
  return isInside({ first: address, last: address }, guard.protectedRanges);
}
