import { EnvdError } from '../errors.ts';
import { resolvePath } from '../paths.ts';
import type { Settings } from '../settings.ts';
import { lookUpUser, type User } from '../users.ts';

/** The user of a `/files` request: its `username`, else the default. Throws 401 for an unknown one. */
export function fileUser(username: string | null | undefined, settings: Settings): User {
  return lookUpUser(username === null || username === undefined || username === '' ? settings.defaultUser : username);
}

/** A path of a `/files` request; empty is the default directory. */
export function filePath(path: string, user: User, settings: Settings): string {
  const resolved = resolvePath(path, user, settings.defaultWorkdir);
  return resolved === '' ? user.home : resolved;
}

/** What is stored, as clients are told. */
export interface StoredFile {
  readonly path: string;
  readonly name: string;
  readonly type: 'file';
  readonly metadata?: Readonly<Record<string, string>>;
}

export function isDirectoryError(path: string): EnvdError {
  return new EnvdError('invalid_argument', `path '${path}' is a directory`);
}
