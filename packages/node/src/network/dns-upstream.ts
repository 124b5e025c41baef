import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { readMessages, writeMessage } from './dns-stream.ts';

/** Where resolvers listen. */
const DNS_PORT = 53;

/** One resolver gets so long before the next is asked. */
const ATTEMPT_MS = 2_000;

/** Every resolver is asked at most so often. Clients give up after some 5 s. */
const ROUNDS = 2;

/** An upstream resolver; `address` or `address:port`. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export function parseUpstream(text: string): Upstream {
  const [address = '', port] = text.split(':');
  return { address, port: port === undefined ? DNS_PORT : Number(port) };
}

/**
 * Asks the resolvers in turn and returns the first answer, with the id of the query. Throws when none answers in time or
 * `signal` ends it.
 */
export async function askUpstreams(
  query: Buffer,
  upstreams: readonly Upstream[],
  transport: 'udp' | 'tcp',
  signal: AbortSignal,
): Promise<Buffer> {
  const ask = transport === 'udp' ? askOverUdp : askOverTcp;
  let failure: unknown = new Error('No resolver is configured.');
  for (let round = 0; round < ROUNDS; round++) {
    for (const upstream of upstreams) {
      signal.throwIfAborted();
      try {
        const answer = await ask(query, upstream, AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]));
        query.copy(answer, 0, 0, 2);
        return answer;
      } catch (error) {
        failure = error;
      }
    }
  }
  throw failure;
}

/** One socket for each question: a random port and a random id keep off forged answers (RFC 5452, 9.2). */
async function askOverUdp(query: Buffer, upstream: Upstream, signal: AbortSignal): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.connect(upstream.port, upstream.address);
    await once(socket, 'connect', { signal });
    const question = withRandomId(query);
    socket.send(question);
    while (true) {
      const [answer] = (await once(socket, 'message', { signal })) as [Buffer];
      if (answer.length > 2 && answer.readUInt16BE(0) === question.readUInt16BE(0)) return answer;
    }
  } finally {
    socket.close();
  }
}

async function askOverTcp(query: Buffer, upstream: Upstream, signal: AbortSignal): Promise<Buffer> {
  const socket = connect({ host: upstream.address, port: upstream.port, signal });
  try {
    await once(socket, 'connect', { signal });
    const question = withRandomId(query);
    writeMessage(socket, question);
    for await (const answer of readMessages(socket)) {
      if (answer.readUInt16BE(0) === question.readUInt16BE(0)) return answer;
    }
    throw new Error(`The resolver ${upstream.address} closed the connection without an answer.`);
  } finally {
    socket.destroy();
  }
}

function withRandomId(query: Buffer): Buffer {
  const question = Buffer.from(query);
  question.writeUInt16BE(randomInt(0x1_0000), 0);
  return question;
}
