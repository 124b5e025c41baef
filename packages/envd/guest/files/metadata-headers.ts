import { EnvdError } from '../errors.ts';

const HEADER_PREFIX = 'x-metadata-';

/** A name in the attribute namespace is at most 255 bytes, of which "user.e2b." takes nine. */
const MAX_KEY_BYTES = 246;
const PREFIX_BYTES = 9;

/** One block of ext4 holds all attributes of a file. */
const MAX_TOTAL_BYTES = 4096;

/** The metadata an upload's headers carry. Throws `invalid_argument` when it cannot be stored. */
export function metadataOf(headers: Headers): Record<string, string> {
  const metadata: Record<string, string> = {};
  let total = 0;
  for (const [name, text] of headers) {
    if (!name.startsWith(HEADER_PREFIX)) continue;
    const key = name.slice(HEADER_PREFIX.length);
    if (key === '') throw new EnvdError('invalid_argument', 'metadata key must not be empty');
    if (key.length > MAX_KEY_BYTES) {
      throw new EnvdError('invalid_argument', `metadata key '${key}' is longer than ${MAX_KEY_BYTES} bytes`);
    }
    if (!/^[\x20-\x7e]*$/.test(key) || !/^[\x20-\x7e]*$/.test(text)) {
      throw new EnvdError('invalid_argument', `metadata '${key}' must be printable ASCII`);
    }
    total += PREFIX_BYTES + key.length + text.length;
    if (total > MAX_TOTAL_BYTES) {
      throw new EnvdError('invalid_argument', `metadata is larger than ${MAX_TOTAL_BYTES} bytes in all`);
    }
    metadata[key] = text;
  }
  return metadata;
}
