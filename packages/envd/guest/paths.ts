import { chownSync, mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { EnvdError, errnoCode } from './errors.ts';
import type { User } from './users.ts';

/**
 * The path a client means. Empty: the default working directory, else the home. `~`: the home. Relative: beneath the
 * home. Absolute paths stay as they are, uncleaned. Throws `invalid_argument` for `~other` and for NUL bytes.
 */
export function resolvePath(path: string, user: User, defaultWorkdir: string | undefined): string {
  if (path.includes('\0')) throw new EnvdError('invalid_argument', 'path contains a NUL byte');
  const asked = path === '' ? (defaultWorkdir ?? '') : path;
  if (asked === '~' || asked.startsWith('~/')) return join(user.home, asked.slice(1));
  if (asked.startsWith('~')) {
    throw new EnvdError('invalid_argument', `cannot expand '${asked}': only the user's own home (~) can be named`);
  }
  return isAbsolute(asked) ? asked : withoutTrailingSlash(join(user.home, asked));
}

/** Makes missing directories, mode 0755 and owned by the user. Throws `internal` when a part of the path is a file. */
export function ensureDirectory(path: string, user: User): void {
  const stats = statIfThere(path);
  if (stats?.isDirectory()) return;
  if (stats !== undefined) throw new EnvdError('internal', `path is a file: ${path}`);
  const parent = dirname(path);
  if (parent !== path) ensureDirectory(parent, user);
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (errnoCode(error) === 'EEXIST' && statIfThere(path)?.isDirectory()) return;
    throw error;
  }
  chownSync(path, user.uid, user.gid);
}

function statIfThere(path: string): ReturnType<typeof statSync> {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function withoutTrailingSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
