import { chownSync, createReadStream, renameSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { EnvdError, errnoCode } from '../errors.ts';
import { ensureDirectory } from '../paths.ts';
import { randomId } from '../random-id.ts';
import { readBounded } from '../request-body.ts';
import type { Settings } from '../settings.ts';
import { filePath, fileUser, isDirectoryError } from './file-request.ts';
import { writeAll } from './write-file.ts';

/** Largest list of sources, as JSON, in bytes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

interface ComposeRequest {
  readonly sourcePaths: readonly string[];
  readonly destination: string;
  readonly username: string | undefined;
}

/** POST /files/compose: puts files together, in order, into one; the sources are deleted when it is in place. */
export async function compose(request: Request, settings: Settings): Promise<Response> {
  const asked = parse(await readBounded(request, MAX_BODY_BYTES));
  const user = fileUser(asked.username, settings);
  const destination = filePath(asked.destination, user, settings);
  const sources = asked.sourcePaths.map((path) => filePath(path, user, settings));
  for (const source of sources) {
    if (normalize(source) === normalize(destination)) {
      throw new EnvdError('invalid_argument', `source '${source}' is the destination`);
    }
    requireRegular(source);
  }
  if (statIfThere(destination)?.isDirectory()) throw isDirectoryError(destination);
  ensureDirectory(dirname(destination), user);

  const temporary = join(dirname(destination), `.${basename(destination)}.${randomId()}`);
  try {
    const file = await open(temporary, 'wx', 0o666);
    try {
      for (const source of sources) await writeAll(file, createReadStream(source, { highWaterMark: 256 * 1024 }));
    } finally {
      await file.close();
    }
    chownSync(temporary, user.uid, user.gid);
    renameSync(temporary, destination);
  } catch (error) {
    removeIfThere(temporary);
    throw error;
  }
  for (const source of new Set(sources)) removeIfThere(source);
  return Response.json({ path: destination, name: basename(destination), type: 'file' });
}

function parse(bytes: Uint8Array): ComposeRequest {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new EnvdError('invalid_argument', 'the body is no valid JSON', { cause: error });
  }
  if (typeof body !== 'object' || body === null)
    throw new EnvdError('invalid_argument', 'the body must be a JSON object');
  const { source_paths: sourcePaths, destination, username } = body as Record<string, unknown>;
  if (
    !Array.isArray(sourcePaths) ||
    sourcePaths.length === 0 ||
    !sourcePaths.every((path) => typeof path === 'string' && path !== '')
  ) {
    throw new EnvdError('invalid_argument', 'source_paths must be a list of at least one path');
  }
  if (typeof destination !== 'string' || destination === '')
    throw new EnvdError('invalid_argument', 'destination is required');
  if (username !== undefined && username !== null && typeof username !== 'string') {
    throw new EnvdError('invalid_argument', 'username must be a text');
  }
  return { sourcePaths, destination, username: username ?? undefined };
}

function requireRegular(path: string): void {
  const stats = statIfThere(path);
  if (stats === undefined) throw new EnvdError('not_found', `source '${path}' does not exist`);
  if (!stats.isFile()) throw new EnvdError('invalid_argument', `source '${path}' is not a regular file`);
}

function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
}
