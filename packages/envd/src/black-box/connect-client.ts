import { request } from 'node:http';
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import type { Guest } from './guest.ts';

export type CodecName = 'json' | 'proto';

export interface CallOptions {
  readonly codec?: CodecName;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `Authorization: Basic <user>:`. */
  readonly user?: string;
}

/** An error as the Connect protocol carries it. */
export class CallError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Calls a unary method. */
export async function call<I extends DescMessage, O extends DescMessage>(
  guest: Guest,
  method: DescMethodUnary<I, O>,
  message: MessageInitShape<I>,
  options: CallOptions = {},
): Promise<MessageShape<O>> {
  const codec = options.codec ?? 'json';
  const answer = await guest.http(`/${method.parent.typeName}/${method.name}`, {
    method: 'POST',
    headers: { 'content-type': `application/${codec}`, ...headersOf(options) },
    body: encode(codec, method.input, message),
  });
  if (answer.status !== 200) {
    const error = answer.json<{ code: string; message: string }>();
    throw new CallError(error.code, error.message, answer.status);
  }
  return decode(codec, method.output, answer.body);
}

/** Calls a method with a stream of answers; leaving the loop drops the connection. */
export async function* stream<I extends DescMessage, O extends DescMessage>(
  guest: Guest,
  method: DescMethodServerStreaming<I, O>,
  message: MessageInitShape<I>,
  options: CallOptions = {},
): AsyncGenerator<MessageShape<O>> {
  const codec = options.codec ?? 'json';
  const outgoing = request(`${guest.url}/${method.parent.typeName}/${method.name}`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': `application/connect+${codec}`, ...headersOf(options) },
  });
  const answered = new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
  });
  outgoing.end(envelope(0, encode(codec, method.input, message)));
  const answer = await answered;
  try {
    let buffered = Buffer.alloc(0);
    for await (const chunk of answer) {
      buffered = Buffer.concat([buffered, chunk as Buffer]);
      while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
        const end = 5 + buffered.readUInt32BE(1);
        const content = buffered.subarray(5, end);
        const isEnd = (buffered.readUInt8(0) & 2) !== 0;
        buffered = buffered.subarray(end);
        if (!isEnd) yield decode(codec, method.output, content);
        else {
          const { error } = JSON.parse(content.toString('utf8')) as { error?: { code: string; message: string } };
          if (error !== undefined) throw new CallError(error.code, error.message, answer.statusCode ?? 0);
          return;
        }
      }
    }
    throw new Error('the stream ended without an end envelope');
  } finally {
    outgoing.destroy();
  }
}

export function envelope(flags: number, content: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(flags);
  header.writeUInt32BE(content.length, 1);
  return Buffer.concat([header, content]);
}

function headersOf(options: CallOptions): Record<string, string> {
  const basic =
    options.user === undefined ? {} : { authorization: `Basic ${Buffer.from(`${options.user}:`).toString('base64')}` };
  return { 'connect-protocol-version': '1', ...basic, ...options.headers };
}

function encode<D extends DescMessage>(codec: CodecName, schema: D, message: MessageInitShape<D>): Uint8Array {
  const full = create(schema, message);
  return codec === 'json' ? Buffer.from(toJsonString(schema, full)) : toBinary(schema, full);
}

function decode<D extends DescMessage>(codec: CodecName, schema: D, bytes: Uint8Array): MessageShape<D> {
  return codec === 'json' ? fromJsonString(schema, Buffer.from(bytes).toString('utf8')) : fromBinary(schema, bytes);
}
