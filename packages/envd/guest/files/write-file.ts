import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { EnvdError, errnoCode } from '../errors.ts';
import { writeMetadata } from '../native/xattr.ts';
import { ensureDirectory } from '../paths.ts';
import type { User } from '../users.ts';
import { isDirectoryError, type StoredFile } from './file-request.ts';

/** Chunks are gathered to this many bytes before they are written: fewer, larger system calls. */
const WRITE_BYTES = 256 * 1024;

/**
 * Stores a body as a file: an existing one keeps its mode and gets a new owner and content. Throws 400 for a directory,
 * pipe or device, 507 when the disk is full.
 */
export async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  user: User,
  metadata: Readonly<Record<string, string>>,
): Promise<StoredFile> {
  ensureDirectory(dirname(path), user);
  const file = await openForWriting(path);
  try {
    await file.chown(user.uid, user.gid);
    await file.truncate(0);
    await writeAll(file, content);
  } finally {
    await file.close();
  }
  writeMetadata(path, metadata);
  const hasMetadata = Object.keys(metadata).length > 0;
  return { path, name: basename(path), type: 'file', ...(hasMetadata ? { metadata } : {}) };
}

async function openForWriting(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    // Not blocking: opening a pipe that nobody reads would wait for ever.
    file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK, 0o666);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'EISDIR') throw isDirectoryError(path);
    if (code === 'ENXIO') throw notRegular(path);
    throw error;
  }
  const stats = await file.stat();
  if (stats.isFile()) return file;
  await file.close();
  throw stats.isDirectory() ? isDirectoryError(path) : notRegular(path);
}

/** Writes everything, in order. Also used to put files together. */
export async function writeAll(file: FileHandle, content: AsyncIterable<Uint8Array>): Promise<void> {
  let gathered: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    const chunks = gathered;
    gathered = [];
    size = 0;
    for (const chunk of chunks.length > 1 ? [Buffer.concat(chunks)] : chunks) {
      for (let offset = 0; offset < chunk.length; ) {
        offset += (await file.write(chunk, offset)).bytesWritten;
      }
    }
  };
  for await (const chunk of content) {
    gathered.push(chunk);
    size += chunk.length;
    if (size >= WRITE_BYTES) await flush();
  }
  await flush();
}

function notRegular(path: string): EnvdError {
  return new EnvdError('invalid_argument', `path '${path}' is not a regular file`);
}
