import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EnvdError, errnoCode } from '../errors.ts';
import { type EntryInfo, entryInfo } from './entry-info.ts';

/** How many entries are looked at before other requests get their turn. */
const ENTRIES_PER_TURN = 500;

/** Checks that a path is a directory, also through links. Throws with the codes clients expect. */
export function requireDirectory(path: string): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    switch (errnoCode(error)) {
      case 'ENOENT':
        throw new EnvdError('not_found', `directory not found: ${path}`, { cause: error });
      case 'ELOOP':
        throw new EnvdError('failed_precondition', `too many levels of symbolic links: ${path}`, { cause: error });
      case 'ENOTDIR':
        break;
      default:
        throw EnvdError.from(error);
    }
  }
  throw new EnvdError('invalid_argument', `path is not a directory: ${path}`);
}

/** The entries beneath a directory in lexical order, depth first, down to `depth` levels. Links are not followed. */
export async function listDirectory(path: string, depth: number): Promise<EntryInfo[]> {
  requireDirectory(path);
  const entries: EntryInfo[] = [];
  const walk = async (directory: string, realDirectory: string, level: number): Promise<void> => {
    for (const child of sortedEntries(realDirectory)) {
      if (entries.length % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await nextTurn();
      const info = entryIfThere(join(directory, child.name));
      if (info === undefined) continue;
      entries.push(info);
      if (child.isDirectory() && level < depth) {
        await walk(join(directory, child.name), join(realDirectory, child.name), level + 1);
      }
    }
  };
  await walk(path, realpathSync(path), 1);
  return entries;
}

function sortedEntries(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).sort((left, right) => (left.name < right.name ? -1 : 1));
  } catch (error) {
    // Removed while we walked.
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The entry, undefined when it vanished in the meantime. */
export function entryIfThere(path: string): EntryInfo | undefined {
  try {
    return entryInfo(path);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
