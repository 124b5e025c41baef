import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectEnvelope, readConnectEnvelopes } from './connect-stream.ts';

function endOfStream(message: object): Uint8Array<ArrayBuffer> {
  const envelope = connectEnvelope(message);
  envelope[0] = 0b10;
  return envelope;
}

/** A response whose bytes come in pieces of `size`, as a network may cut them. */
function inPieces(size: number, ...envelopes: readonly Uint8Array[]): Response {
  const bytes = Buffer.concat(envelopes);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  return new Response(ReadableStream.from(pieces));
}

test('messages are found however the network cuts the stream', async () => {
  const messages = [{ one: 1 }, { two: 'zwei ü' }];
  for (const size of [1, 3, 7, 1000]) {
    const response = inPieces(size, ...messages.map(connectEnvelope), endOfStream({}));
    assert.deepEqual(await Array.fromAsync(readConnectEnvelopes(response)), messages);
  }
});

test('the error that a stream ends with is thrown', async () => {
  const response = inPieces(5, endOfStream({ error: { code: 'not_found', message: 'no such process' } }));
  await assert.rejects(Array.fromAsync(readConnectEnvelopes(response)), /not_found: no such process/);
});

test('a stream that breaks off is not taken for a whole one', async () => {
  await assert.rejects(Array.fromAsync(readConnectEnvelopes(inPieces(5, connectEnvelope({ one: 1 })))), /broke off/);
});
