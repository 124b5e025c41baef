import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { EnvdError, errnoCode } from '../errors.ts';
import { readIdleBounded } from '../request-body.ts';
import type { Settings } from '../settings.ts';
import { filePath, fileUser, type StoredFile } from './file-request.ts';
import { metadataOf } from './metadata-headers.ts';
import { boundaryOf, readParts } from './multipart.ts';
import { writeFile } from './write-file.ts';

/** The form field whose parts are files. */
const FILE_FIELD = 'file';

/** POST /files: stores the body, or the files of a form, and tells what was stored. */
export async function upload(request: Request, query: URLSearchParams, settings: Settings): Promise<Response> {
  const user = fileUser(query.get('username'), settings);
  const metadata = metadataOf(request.headers);
  const contentType = request.headers.get('content-type') ?? '';
  const path = query.get('path') ?? '';
  const boundary = boundaryOf(contentType);
  if (boundary === undefined && contentType.split(';', 1)[0]?.trim().toLowerCase() !== 'application/octet-stream') {
    throw new EnvdError('invalid_argument', `unsupported content type: '${contentType}'`);
  }
  const body = decodedBody(request);

  if (boundary === undefined) {
    if (path === '')
      throw new EnvdError('invalid_argument', 'the path query parameter is required for application/octet-stream');
    return Response.json([await writeFile(filePath(path, user, settings), body, user, metadata)]);
  }

  const stored: StoredFile[] = [];
  for await (const part of readParts(body, boundary)) {
    if (part.name !== FILE_FIELD) continue;
    const target = path === '' ? (part.fileName ?? '') : path;
    if (target === '') throw new EnvdError('invalid_argument', 'a file part has no filename, and no path is given');
    const destination = filePath(target, user, settings);
    if (stored.some((file) => file.path === destination)) {
      throw new EnvdError(
        'invalid_argument',
        `you cannot upload multiple files to the same path '${destination}' in one request`,
      );
    }
    stored.push(await writeFile(destination, part.content, user, metadata));
  }
  return Response.json(stored);
}

function decodedBody(request: Request): AsyncIterable<Uint8Array> {
  const coding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  const body = readIdleBounded(request);
  if (coding === '' || coding === 'identity') return body;
  if (coding === 'gzip' || coding === 'x-gzip') return gunzip(body);
  throw new EnvdError('invalid_argument', `unsupported Content-Encoding: ${coding}`);
}

async function* gunzip(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(body);
  const plain = createGunzip({ chunkSize: 256 * 1024 });
  source.on('error', (error) => plain.destroy(error));
  try {
    yield* source.pipe(plain);
  } catch (error) {
    const code = errnoCode(error) ?? '';
    if (!code.startsWith('Z_') && code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new EnvdError('invalid_argument', 'the body is no valid gzip', { cause: error });
  } finally {
    source.destroy();
    plain.destroy();
  }
}
