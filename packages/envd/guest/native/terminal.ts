import { chownSync, closeSync, constants, openSync } from 'node:fs';
import type { User } from '../users.ts';
import { libc, systemError } from './libc.ts';

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;
const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** A new pseudo-terminal: our end, and the name and a descriptor of the program's end. */
export interface PseudoTerminal {
  /** For reading and resizing. */
  readonly master: number;
  /** The master once more, for writing: the event loop watches each descriptor for one purpose. */
  readonly input: number;
  readonly replicaPath: string;
  /**
   * Held until the program has ended: while the program's end is open nowhere, reading the master fails as if the
   * terminal were over already.
   */
  readonly replica: number;
}

/** Opens a pseudo-terminal that belongs to the user. */
export function openTerminal(size: TerminalSize, user: User): PseudoTerminal {
  const flags = constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC;
  const master = openSync('/dev/ptmx', flags | constants.O_NONBLOCK);
  try {
    const number = new Int32Array(1);
    if (libc.ioctl(master, TIOCSPTLCK, number) !== 0) throw systemError('ioctl TIOCSPTLCK');
    if (libc.ioctl(master, TIOCGPTN, number) !== 0) throw systemError('ioctl TIOCGPTN');
    const replicaPath = `/dev/pts/${number[0]}`;
    resizeTerminal(master, size);
    chownSync(replicaPath, user.uid, user.gid);
    const replica = openSync(replicaPath, flags);
    const input = libc.fcntl(master, F_DUPFD_CLOEXEC, 0);
    if (input < 0) {
      closeSync(replica);
      throw systemError('fcntl');
    }
    return { master, input, replicaPath, replica };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

export function resizeTerminal(master: number, size: TerminalSize): void {
  const window = Uint16Array.of(size.rows, size.cols, 0, 0);
  if (libc.ioctl(master, TIOCSWINSZ, window) !== 0) throw systemError('ioctl TIOCSWINSZ');
}
