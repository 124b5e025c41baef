import { closeSync, constants, openSync, readFileSync, readSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip, gzipSync, constants as zlib } from 'node:zlib';
import { EnvdError, errnoCode } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { chooseCoding } from './content-coding.ts';
import { SNIFFED_BYTES, sniffType, typeByName } from './content-type.ts';
import { filePath, fileUser, isDirectoryError } from './file-request.ts';
import { parseRange } from './http-range.ts';

/** Files up to this size are compressed in one go, in bytes. */
const COMPRESS_AT_ONCE_BYTES = 64 * 1024;

/** How much of a bigger file is compressed on trial, in bytes. */
const TRIAL_BYTES = 64 * 1024;

/** What compression must at least save to be worth its time: a transport is faster than gzip on incompressible data. */
const WORTHWHILE_RATIO = 0.9;

/** Fast rather than small: the client waits. */
const GZIP_LEVEL = 1;

/** Largest file whose size the system does not know in advance (those of /proc), in bytes. */
const MAX_SIZELESS_BYTES = 16 * 1024 * 1024;

/** GET /files: a file's bytes, whole or in part, plain or compressed. */
export async function download(request: Request, query: URLSearchParams, settings: Settings): Promise<Response> {
  const user = fileUser(query.get('username'), settings);
  const path = filePath(query.get('path') ?? '', user, settings);
  const stats = statRegular(path);
  const coding = codingFor(request.headers);
  const headers = new Headers({
    'content-disposition': contentDisposition(basename(path)),
    'last-modified': new Date(stats.mtimeMs).toUTCString(),
    vary: 'Accept-Encoding',
  });
  const refusal = conditionalAnswer(request.headers, stats);
  if (refusal !== undefined) return new Response(null, { status: refusal, headers });

  // Files of /proc say they are empty and are not. Really empty ones cost one more read.
  const sizeless = stats.size === 0 ? head(path, MAX_SIZELESS_BYTES) : undefined;
  const size = sizeless?.length ?? stats.size;
  headers.set(
    'content-type',
    typeByName(path) ?? sniffType(sizeless?.subarray(0, SNIFFED_BYTES) ?? head(path, SNIFFED_BYTES)),
  );
  headers.set('accept-ranges', 'bytes');

  const range = rangeHolds(request.headers, stats) ? parseRange(request.headers.get('range'), size) : undefined;
  if (range === 'unsatisfiable') {
    headers.set('content-range', `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  if (range !== undefined) {
    headers.set('content-range', `bytes ${range.start}-${range.end - 1}/${size}`);
    headers.set('content-length', String(range.end - range.start));
    const part = sizeless?.subarray(range.start, range.end) ?? Bun.file(path).slice(range.start, range.end);
    return new Response(part, { status: 206, headers });
  }
  if (coding === 'gzip' && size > 0) {
    const compressed = compressedBody(path, size, sizeless);
    if (compressed !== undefined) {
      headers.set('content-encoding', 'gzip');
      // Ranges are of the plain file.
      headers.delete('accept-ranges');
      return new Response(compressed, { headers });
    }
  }
  headers.set('content-length', String(size));
  return new Response(sizeless ?? Bun.file(path), { headers });
}

function statRegular(path: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new EnvdError('not_found', `path '${path}' does not exist`, { cause: error });
    }
    throw error;
  }
  if (stats.isDirectory()) throw isDirectoryError(path);
  // A pipe or device could hold the request for ever.
  if (!stats.isFile()) throw new EnvdError('invalid_argument', `path '${path}' is not a regular file`);
  return stats;
}

/** Parts and conditions are about the plain file. */
function codingFor(headers: Headers): 'gzip' | 'identity' {
  const coding = chooseCoding(headers.get('accept-encoding'));
  const plain = ['range', 'if-modified-since', 'if-unmodified-since', 'if-none-match', 'if-match', 'if-range'];
  return plain.some((name) => headers.has(name)) ? 'identity' : coding;
}

/** 304 or 412 where a condition of the request says so. Files have no entity tags: only `*` matches one. */
function conditionalAnswer(headers: Headers, stats: Stats): 304 | 412 | undefined {
  const modified = Math.floor(stats.mtimeMs / 1000) * 1000;
  const ifMatch = headers.get('if-match');
  if (ifMatch !== null) {
    if (ifMatch.trim() !== '*') return 412;
  } else if (modified > dateOf(headers.get('if-unmodified-since'), Number.POSITIVE_INFINITY)) return 412;
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== null) return ifNoneMatch.trim() === '*' ? 304 : undefined;
  return modified <= dateOf(headers.get('if-modified-since'), Number.NEGATIVE_INFINITY) ? 304 : undefined;
}

/** Whether an `If-Range` lets the range count: only the exact date of the file does. */
function rangeHolds(headers: Headers, stats: Stats): boolean {
  const condition = headers.get('if-range');
  return condition === null || dateOf(condition, Number.NaN) === Math.floor(stats.mtimeMs / 1000) * 1000;
}

function dateOf(text: string | null, otherwise: number): number {
  const time = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? otherwise : time;
}

function compressedBody(
  path: string,
  size: number,
  sizeless: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> | ReadableStream | undefined {
  if (size <= COMPRESS_AT_ONCE_BYTES) {
    return gzipSync(sizeless ?? readFileSync(path), { level: GZIP_LEVEL });
  }
  const trial = sizeless?.subarray(0, TRIAL_BYTES) ?? head(path, TRIAL_BYTES);
  if (gzipSync(trial, { level: GZIP_LEVEL }).length > trial.length * WORTHWHILE_RATIO) return undefined;
  if (sizeless !== undefined) return gzipSync(sizeless, { level: GZIP_LEVEL });
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: 256 * 1024, strategy: zlib.Z_DEFAULT_STRATEGY });
  return Readable.toWeb(Readable.from(Bun.file(path).stream()).pipe(gzip)) as unknown as ReadableStream;
}

/** Up to `length` first bytes of a file. */
function head(path: string, length: number): Uint8Array {
  const chunks: Buffer[] = [];
  // Not blocking: some files of /proc wait for something to say.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    for (let size = 0; size < length; ) {
      const chunk = Buffer.alloc(Math.min(64 * 1024, length - size));
      const count = readSync(descriptor, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      size += count;
    }
  } finally {
    closeSync(descriptor);
  }
  return Buffer.concat(chunks);
}

/** `inline; filename=…`, in the extended form where the name is no plain token (RFC 6266). */
function contentDisposition(name: string): string {
  if (/^[\w.!#$&+^`|~-]+$/.test(name)) return `inline; filename=${name}`;
  if (/^[\x20-\x7e]+$/.test(name)) return `inline; filename="${name.replace(/["\\]/g, '\\$&')}"`;
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `inline; filename*=utf-8''${encoded}`;
}
