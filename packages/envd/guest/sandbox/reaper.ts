import { libc } from '../native/libc.ts';

const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;

/** Of siginfo_t on 64-bit machines: which of its ints is the process that ended, and the size of the whole in bytes. */
const SI_PID_INDEX = 4;
const SIGINFO_BYTES = 128;

/** When one of our own children is in the way of the look, how long until the next one, in milliseconds. */
const RETRY_MS = 20;

/**
 * Buries processes that were orphaned: process 1 inherits them, and nobody else would. Children of ours are left to
 * Bun, which wants their exit status: their end is seen without being consumed, and told apart by `isOurs`.
 */
export function reapOrphans(isOurs: (pid: number) => boolean): void {
  const siginfo = new Int32Array(SIGINFO_BYTES / 4);
  let retry: NodeJS.Timeout | undefined;
  const reap = () => {
    clearTimeout(retry);
    retry = undefined;
    for (;;) {
      siginfo.fill(0);
      if (libc.waitid(P_ALL, 0, siginfo, WEXITED | WNOHANG | WNOWAIT) !== 0) return;
      const pid = siginfo[SI_PID_INDEX] ?? 0;
      if (pid === 0) return;
      if (isOurs(pid)) {
        // The kernel names the same one again until it is gone; others may be behind it.
        retry = setTimeout(reap, RETRY_MS);
        return;
      }
      libc.waitpid(pid, null, WNOHANG);
    }
  };
  process.on('SIGCHLD', reap);
  reap();
}
