import { EnvdError, errnoCode } from '../errors.ts';
import { cString, lastErrno, libc, systemError } from './libc.ts';

/** Where metadata of clients is kept. */
const PREFIX = 'user.e2b.';

/** The kernel's own limit of a list of names, and of one value, in bytes. */
const MAX_BYTES = 64 * 1024;

const ERANGE = 34;
const UNSUPPORTED = new Set(['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EPERM']);

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** The metadata of a file; empty where the file system keeps none. Entries that are no UTF-8 are left out. */
export function readMetadata(path: string): Record<string, string> {
  const file = cString(path);
  // Most files have no attributes: one call that asks for the size tells.
  const size = Number(libc.listxattr(file, null, 0));
  if (size <= 0) return {};
  const list = readGrowing(size, (buffer) => Number(libc.listxattr(file, buffer, buffer.length)));
  const names = (list?.toString('utf8') ?? '').split('\0').filter((name) => name.startsWith(PREFIX));
  const metadata: Record<string, string> = {};
  for (const name of names) {
    const key = cString(name);
    const bytes = readGrowing(256, (buffer) => Number(libc.getxattr(file, key, buffer, buffer.length)));
    if (bytes === undefined) continue;
    try {
      metadata[name.slice(PREFIX.length)] = strictUtf8.decode(bytes);
    } catch {
      // Not UTF-8.
    }
  }
  return metadata;
}

/** Replaces all metadata of a file. Silently does nothing where the file system keeps none. */
export function writeMetadata(path: string, metadata: Readonly<Record<string, string>>): void {
  const file = cString(path);
  for (const key of Object.keys(readMetadata(path))) {
    if (!(key in metadata)) libc.removexattr(file, cString(PREFIX + key));
  }
  for (const [key, text] of Object.entries(metadata)) {
    const bytes = Buffer.from(text);
    // The foreign function interface takes no empty buffers.
    const pointer = bytes.length === 0 ? Buffer.alloc(1) : bytes;
    if (libc.setxattr(file, cString(PREFIX + key), pointer, bytes.length, 0) === 0) continue;
    const error = systemError('setxattr');
    const code = errnoCode(error);
    if (code !== undefined && UNSUPPORTED.has(code)) return;
    throw EnvdError.from(error);
  }
}

function readGrowing(firstSize: number, call: (buffer: Buffer) => number): Buffer | undefined {
  for (let size = firstSize; size <= MAX_BYTES; size *= 4) {
    const buffer = Buffer.alloc(size);
    const length = call(buffer);
    if (length >= 0) return buffer.subarray(0, length);
    if (lastErrno() !== ERANGE) return undefined;
  }
  return undefined;
}
