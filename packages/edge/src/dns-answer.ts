import { AUTHORITATIVE_ANSWER, decode, type Packet, type Question } from 'dns-packet';

/** What the server answers for. */
export interface DnsZone {
  /** The base domain, lower-case. */
  readonly domain: string;
  /** IPv4 address of every name of it. */
  readonly address: string;
}

/** Seconds an answer may be remembered: short, since an administrator may move the edge. */
const TTL_SECONDS = 60;
/** Largest UDP answer we announce (DNS flag day 2020); ours are far smaller. */
const UDP_PAYLOAD = 1232;
const RECURSION_DESIRED = 0x0100;
const CODES = { noError: 0, formatError: 1, notImplemented: 4, refused: 5 } as const;

/**
 * The answer to one DNS message, or undefined for what must not be answered at all (answers, rubbish). Pure, so that
 * UDP and TCP share it. Every name of the zone has one address and nothing else; other zones are refused.
 */
export function answerQuery(message: Buffer, zone: DnsZone): Packet | undefined {
  const query = decodeQuery(message);
  if (query === undefined || query.type !== 'query') return undefined;
  const flags = query.flags ?? 0;
  const [question] = query.questions ?? [];
  const reply: Packet = {
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    flags: flags & (0x7800 | RECURSION_DESIRED),
    questions: query.questions ?? [],
    answers: [],
    authorities: [],
    additionals: hasOptions(query)
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: UDP_PAYLOAD,
            flags: 0,
            options: [],
            extendedRcode: 0,
            ednsVersion: 0,
            flag_do: false,
          },
        ]
      : [],
  };
  if (((flags >> 11) & 0xf) !== 0) return withCode(reply, CODES.notImplemented);
  if (question === undefined || query.questions?.length !== 1) return withCode(reply, CODES.formatError);
  if ((question.class !== undefined && question.class !== 'IN') || !isInZone(question.name, zone)) {
    return withCode(reply, CODES.refused);
  }
  reply.flags = (reply.flags ?? 0) | AUTHORITATIVE_ANSWER;
  return withRecords(reply, question, zone);
}

function decodeQuery(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}

function hasOptions(query: Packet): boolean {
  return query.additionals?.some((record) => record.type === 'OPT') ?? false;
}

function isInZone(name: string, { domain }: DnsZone): boolean {
  const lower = name.toLowerCase();
  return lower === domain || lower.endsWith(`.${domain}`);
}

function withCode(reply: Packet, code: number): Packet {
  reply.flags = ((reply.flags ?? 0) & ~0xf) | code;
  return reply;
}

function withRecords(reply: Packet, question: Question, { domain, address }: DnsZone): Packet {
  const { name, type } = question;
  const atApex = name.toLowerCase() === domain;
  if (type === 'A' || (type as string) === 'ANY') {
    reply.answers = [{ type: 'A', name, ttl: TTL_SECONDS, data: address }];
  } else if (type === 'NS' && atApex) {
    reply.answers = [{ type: 'NS', name, ttl: TTL_SECONDS, data: `ns.${domain}` }];
  } else if (type === 'SOA' && atApex) {
    reply.answers = [startOfAuthority(name, domain)];
  } else {
    // The name exists but has no such record: an empty answer with the zone's SOA, whose minimum bounds its memory.
    reply.authorities = [startOfAuthority(domain, domain)];
  }
  return reply;
}

function startOfAuthority(name: string, domain: string): NonNullable<Packet['answers']>[number] {
  return {
    type: 'SOA',
    name,
    ttl: TTL_SECONDS,
    data: {
      mname: `ns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  };
}
