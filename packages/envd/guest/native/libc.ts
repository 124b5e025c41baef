import { dlopen, type Pointer, read } from 'bun:ffi';
import { constants } from 'node:os';

/** The few calls of the C library that Bun has no interface for. Our own C library is loaded, never the guest's. */
const { symbols: libc } = dlopen('libc.so.6', {
  __errno_location: { args: [], returns: 'ptr' },
  fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  inotify_add_watch: { args: ['i32', 'cstring', 'u32'], returns: 'i32' },
  inotify_init1: { args: ['i32'], returns: 'i32' },
  inotify_rm_watch: { args: ['i32', 'i32'], returns: 'i32' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  listxattr: { args: ['cstring', 'ptr', 'u64'], returns: 'i64' },
  getxattr: { args: ['cstring', 'cstring', 'ptr', 'u64'], returns: 'i64' },
  setxattr: { args: ['cstring', 'cstring', 'ptr', 'u64', 'i32'], returns: 'i32' },
  removexattr: { args: ['cstring', 'cstring'], returns: 'i32' },
  pipe2: { args: ['ptr', 'i32'], returns: 'i32' },
  prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' },
  sethostname: { args: ['cstring', 'u64'], returns: 'i32' },
  clock_settime: { args: ['i32', 'ptr'], returns: 'i32' },
  syscall: { args: ['i64', 'i64', 'ptr', 'i64'], returns: 'i64' },
  waitid: { args: ['i32', 'i32', 'ptr', 'i32'], returns: 'i32' },
  waitpid: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
});

export { libc };

/** `errno` of the call just made on this thread. */
export function lastErrno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(location as Pointer, 0);
}

/** A string as the C library takes it. The caller has refused NUL bytes. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** An error in the form `node:fs` throws, for a call that failed just now. */
export function systemError(call: string): NodeJS.ErrnoException {
  const errno = lastErrno();
  const code = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${code}`), { errno: -errno, code, syscall: call });
}
