import { gunzipSync } from 'node:zlib';
import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import { EnvdError } from '../errors.ts';

/** Largest message taken, in bytes: input is held in memory. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** How messages become bytes: proto3 JSON or binary protobuf. */
export interface Codec {
  readonly name: 'json' | 'proto';
  decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D>;
  encode<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const json: Codec = {
  name: 'json',
  decode: (schema, bytes) =>
    decoding(() =>
      fromJsonString(schema, bytes.length === 0 ? '{}' : decoder.decode(bytes), { ignoreUnknownFields: true }),
    ),
  encode: (schema, message) => encoder.encode(toJsonString(schema, create(schema, message))),
};

const proto: Codec = {
  name: 'proto',
  decode: (schema, bytes) => decoding(() => fromBinary(schema, bytes)),
  encode: (schema, message) => toBinary(schema, create(schema, message)),
};

/** The codec and kind of call a content type names; undefined for a type that is not Connect's. */
export function codecOf(contentType: string | null): { codec: Codec; streaming: boolean } | undefined {
  switch (contentType?.split(';', 1)[0]?.trim().toLowerCase()) {
    case 'application/json':
      return { codec: json, streaming: false };
    case 'application/proto':
      return { codec: proto, streaming: false };
    case 'application/connect+json':
      return { codec: json, streaming: true };
    case 'application/connect+proto':
      return { codec: proto, streaming: true };
    default:
      return undefined;
  }
}

/** Throws `unimplemented` for a request compression we do not know. */
export function checkCompression(coding: string | null): 'identity' | 'gzip' {
  const name = coding?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return 'identity';
  if (name === 'gzip') return 'gzip';
  throw new EnvdError('unimplemented', `unknown compression "${coding}": supported encodings are gzip`);
}

export function gunzipMessage(bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_MESSAGE_BYTES });
  } catch (error) {
    throw new EnvdError('invalid_argument', 'the message is no valid gzip or too large', { cause: error });
  }
}

function decoding<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvdError('invalid_argument', `unmarshal message: ${reason}`, { cause: error });
  }
}
