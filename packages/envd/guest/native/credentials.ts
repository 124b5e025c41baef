import { libc } from './libc.ts';

/** Who a process runs as. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

const SYSCALLS =
  process.arch === 'arm64'
    ? { setgroups: 159, setresgid: 149, setresuid: 147 }
    : { setgroups: 116, setresgid: 119, setresuid: 117 };

const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/**
 * Runs `action` while this thread, and no other, has the given identity.
 *
 * Linux keeps credentials per thread; only the C library's wrappers change all threads, so the calls are made raw.
 * Bun spawns with vfork from the calling thread: what is spawned inside inherits the identity. The saved uid stays 0,
 * which is the way back; exec replaces it in the child, and with it every capability goes.
 * `action` must be synchronous: other work of the event loop would run with the wrong identity.
 */
export function asUser<T>(user: Credentials, action: () => T): T {
  if (isOurOwn(user)) return action();
  try {
    const groups = Uint32Array.from(user.groups);
    credentialCall(SYSCALLS.setgroups, groups.length, groups);
    credentialCall(SYSCALLS.setresgid, user.gid, user.gid, -1);
    credentialCall(SYSCALLS.setresuid, user.uid, user.uid, 0);
    return action();
  } finally {
    restoreRoot();
  }
}

/** Ambient capabilities would survive into processes of other users; a container's start may have set some. */
export function dropAmbientCapabilities(): void {
  libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

function isOurOwn(user: Credentials): boolean {
  return user.uid === 0 && user.gid === 0 && user.groups.every((group) => group === 0);
}

function restoreRoot(): void {
  try {
    credentialCall(SYSCALLS.setresuid, 0, 0, 0);
    credentialCall(SYSCALLS.setresgid, 0, 0, 0);
    credentialCall(SYSCALLS.setgroups, 0, null);
  } catch (error) {
    // Going on as a mixture of two users would be worse than not going on.
    console.error(error);
    process.abort();
  }
}

function credentialCall(number: number, first: number, second: number | Uint32Array | null, third = 0): void {
  const pointer = second as Uint32Array | null;
  if (libc.syscall(number, first, pointer, third) !== 0n) {
    throw new Error(`changing credentials failed: system call ${number}`);
  }
}
