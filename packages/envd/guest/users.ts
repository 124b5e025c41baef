import { readFileSync, statSync } from 'node:fs';
import { EnvdError } from './errors.ts';
import type { Credentials } from './native/credentials.ts';

/** A user of the guest. */
export interface User extends Credentials {
  readonly name: string;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Reads the account files itself: the C library in use is ours, and would look for name services the guest does not have.
 * Files are parsed again when they changed.
 */
const passwd = cachedFile('/etc/passwd', parsePasswd);
const groups = cachedFile('/etc/group', parseGroups);

/** Looks a user up by name. Throws `unauthenticated` (401) for an unknown one. */
export function lookUpUser(name: string): User {
  const entry = passwd().find((user) => user.name === name);
  if (entry !== undefined) {
    const supplementary = groups()
      .filter((group) => group.members.includes(name))
      .map((group) => group.gid);
    return { ...entry, groups: [...new Set([entry.gid, ...supplementary])] };
  }
  // An image without account files still has its root.
  if (name === 'root') return { name: 'root', uid: 0, gid: 0, groups: [0], home: '/root' };
  throw new EnvdError('unauthenticated', `invalid username: '${name}': error looking up user '${name}': unknown user`);
}

/** Name of a user id, the number itself when it has none. */
export function userName(uid: number): string {
  return passwd().find((user) => user.uid === uid)?.name ?? (uid === 0 ? 'root' : String(uid));
}

/** Name of a group id, the number itself when it has none. */
export function groupName(gid: number): string {
  return groups().find((group) => group.gid === gid)?.name ?? (gid === 0 ? 'root' : String(gid));
}

function parsePasswd(text: string): User[] {
  return lines(text).flatMap(([name, , uid, gid, , home]) =>
    name === undefined || !isId(uid) || !isId(gid)
      ? []
      : [
          {
            name,
            uid: Number(uid),
            gid: Number(gid),
            groups: [Number(gid)],
            home: home === undefined || home === '' ? '/' : home,
          },
        ],
  );
}

function parseGroups(text: string): Group[] {
  return lines(text).flatMap(([name, , gid, members]) =>
    name === undefined || !isId(gid)
      ? []
      : [{ name, gid: Number(gid), members: (members ?? '').split(',').filter((member) => member !== '') }],
  );
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1;
}

function cachedFile<T>(path: string, parse: (text: string) => T[]): () => T[] {
  let version = '';
  let parsed: T[] = [];
  return () => {
    const stats = statSync(path, { throwIfNoEntry: false });
    const found = stats === undefined ? 'absent' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    if (found !== version) {
      parsed = stats === undefined ? [] : parse(readFileSync(path, 'utf8'));
      version = found;
    }
    return parsed;
  };
}
