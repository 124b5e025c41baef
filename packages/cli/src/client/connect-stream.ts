/** Length of an envelope's head: one byte of flags and four of length (Connect protocol, "Streaming RPCs"). */
const HEAD_BYTES = 5;
/** Flag of the last envelope, which carries the error, if any. */
const END_OF_STREAM = 0b10;

/** One message of a Connect stream in JSON. */
export function connectEnvelope(message: object): Uint8Array<ArrayBuffer> {
  const body = Buffer.from(JSON.stringify(message));
  const envelope = new Uint8Array(HEAD_BYTES + body.length);
  new DataView(envelope.buffer).setUint32(1, body.length);
  envelope.set(body, HEAD_BYTES);
  return envelope;
}

/** The messages of a Connect stream in JSON; throws the error the stream ends with. */
export async function* readConnectEnvelopes(response: Response): AsyncGenerator<unknown> {
  if (response.body === null) throw new Error('The stream has no body.');
  let pending = Buffer.alloc(0);
  for await (const chunk of response.body) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + pending.readUInt32BE(1);
      if (pending.length < end) break;
      const flags = pending.readUInt8(0);
      const message: unknown = JSON.parse(pending.subarray(HEAD_BYTES, end).toString());
      pending = pending.subarray(end);
      if ((flags & END_OF_STREAM) === 0) {
        yield message;
        continue;
      }
      const { error } = message as { error?: { code?: string; message?: string } };
      if (error !== undefined) throw new Error(`${error.code ?? 'unknown'}: ${error.message ?? 'no reason given'}`);
      return;
    }
  }
  throw new Error('The stream broke off.');
}
