import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type EntryInfoSchema, FileType } from '@atoll/contract/envd';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { readMetadata } from '../native/xattr.ts';
import { groupName, userName } from '../users.ts';

export type EntryInfo = MessageInitShape<typeof EntryInfoSchema>;

const S_IFMT = 0o170000;

/** First letters of a mode as Go writes them: "L" for links, "D" before devices. */
const KIND_LETTERS: ReadonlyMap<number, string> = new Map([
  [0o040000, 'd'],
  [0o120000, 'L'],
  [0o060000, 'D'],
  [0o020000, 'Dc'],
  [0o010000, 'p'],
  [0o140000, 'S'],
]);

/** Everything clients are told of a path. Throws what `lstat` throws. */
export function entryInfo(path: string): EntryInfo {
  const stats = lstatSync(path);
  const isSymlink = stats.isSymbolicLink();
  const target = isSymlink ? targetOf(path) : stats;
  return {
    name: basename(path),
    type: target === undefined ? FileType.UNSPECIFIED : typeOf(target),
    path,
    size: BigInt(stats.size),
    mode: (target?.mode ?? 0) & 0o777,
    permissions: permissionsOf(stats.mode),
    owner: userName(stats.uid),
    group: groupName(stats.gid),
    modifiedTime: {
      seconds: BigInt(Math.floor(stats.mtimeMs / 1000)),
      nanos: Math.round((stats.mtimeMs - Math.floor(stats.mtimeMs / 1000) * 1000) * 1e6),
    },
    ...(isSymlink ? { symlinkTarget: resolved(path), isSymlink } : {}),
    // A link's own attributes are of no interest, and a device's or pipe's cannot exist.
    metadata: stats.isFile() || stats.isDirectory() ? readMetadata(path) : {},
  };
}

/** A mode as Go's `fs.FileMode.String` writes it: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`. */
export function permissionsOf(mode: number): string {
  let letters = KIND_LETTERS.get(mode & S_IFMT) ?? '';
  if (mode & 0o4000) letters += 'u';
  if (mode & 0o2000) letters += 'g';
  if (mode & 0o1000) letters += 't';
  const bits = [...'rwxrwxrwx'].map((letter, index) => (mode & (0o400 >> index) ? letter : '-'));
  return (letters === '' ? '-' : letters) + bits.join('');
}

function typeOf(stats: Stats): FileType {
  if (stats.isFile()) return FileType.FILE;
  if (stats.isDirectory()) return FileType.DIRECTORY;
  return FileType.UNSPECIFIED;
}

function targetOf(link: string): Stats | undefined {
  try {
    return statSync(link);
  } catch {
    return undefined;
  }
}

function resolved(link: string): string {
  try {
    return realpathSync(link);
  } catch {
    return link;
  }
}
