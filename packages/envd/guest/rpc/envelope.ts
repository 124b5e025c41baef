import { EnvdError } from '../errors.ts';
import { gunzipMessage, MAX_MESSAGE_BYTES } from './codec.ts';

/** Envelopes of Connect streams: one flag byte, a big-endian length, the message. https://connectrpc.com/docs/protocol */
const HEADER_BYTES = 5;
const FLAG_COMPRESSED = 0x01;
const FLAG_END_OF_STREAM = 0x02;

export function messageEnvelope(message: Uint8Array): Uint8Array {
  return envelope(0, message);
}

/** The last envelope of an answer, with the error if there was one. */
export function endEnvelope(error?: EnvdError): Uint8Array {
  const end = error === undefined ? {} : { error: { code: error.code, message: error.message } };
  return envelope(FLAG_END_OF_STREAM, Buffer.from(JSON.stringify(end)));
}

function envelope(flags: number, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + message.length);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, HEADER_BYTES);
  return bytes;
}

/** Splits a request body into messages as they arrive. Ends at the end of the body or at an end-of-stream envelope. */
export async function* readEnvelopes(
  body: AsyncIterable<Uint8Array>,
  compression: 'identity' | 'gzip',
): AsyncGenerator<Uint8Array> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of body) {
    buffered = buffered.length === 0 ? Buffer.from(chunk) : Buffer.concat([buffered, chunk]);
    for (;;) {
      if (buffered.length < HEADER_BYTES) break;
      const length = buffered.readUInt32BE(1);
      if (length > MAX_MESSAGE_BYTES) {
        throw new EnvdError(
          'resource_exhausted',
          `message size ${length} is larger than configured max ${MAX_MESSAGE_BYTES}`,
        );
      }
      if (buffered.length < HEADER_BYTES + length) break;
      const flags = buffered.readUInt8(0);
      const message = buffered.subarray(HEADER_BYTES, HEADER_BYTES + length);
      buffered = buffered.subarray(HEADER_BYTES + length);
      if ((flags & FLAG_END_OF_STREAM) !== 0) return;
      yield (flags & FLAG_COMPRESSED) === 0 ? message : decompress(message, compression);
    }
  }
  if (buffered.length > 0) throw new EnvdError('invalid_argument', 'protocol error: incomplete envelope');
}

function decompress(message: Uint8Array, compression: 'identity' | 'gzip'): Uint8Array {
  if (compression === 'gzip') return gunzipMessage(message);
  throw new EnvdError('internal', 'protocol error: sent compressed message without compression support');
}
