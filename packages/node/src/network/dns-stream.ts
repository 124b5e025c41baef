import type { Socket } from 'node:net';

/** A DNS message in a TCP stream follows its length in two bytes (RFC 1035, 4.2.2). */
const LENGTH_BYTES = 2;

/** Shorter ones have no header. */
const HEADER_BYTES = 12;

export function writeMessage(socket: Socket, message: Buffer): void {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length);
  socket.write(Buffer.concat([length, message]));
}

/** The messages of a stream as they come; buffers one at most. Ends at the first that cannot be one. */
export async function* readMessages(socket: Socket): AsyncGenerator<Buffer, void, undefined> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + pending.readUInt16BE(0);
      if (end < LENGTH_BYTES + HEADER_BYTES) return;
      if (pending.length < end) break;
      // A copy: the receiver may write into it.
      yield Buffer.from(pending.subarray(LENGTH_BYTES, end));
      pending = pending.subarray(end);
    }
  }
}
