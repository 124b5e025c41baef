import { chownSync, closeSync, constants, openSync, writeSync } from 'node:fs';
import { errnoCode } from '../errors.ts';
import type { User } from '../users.ts';
import { libc, systemError } from './libc.ts';

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;
const O_CLOEXEC = 0o2000000;

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** A new pseudo-terminal: our end, and the name and a descriptor of the program's end. */
export interface PseudoTerminal {
  readonly master: number;
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
    return { master, replicaPath, replica: openSync(replicaPath, flags) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

export function resizeTerminal(master: number, size: TerminalSize): void {
  const window = Uint16Array.of(size.rows, size.cols, 0, 0);
  if (libc.ioctl(master, TIOCSWINSZ, window) !== 0) throw systemError('ioctl TIOCSWINSZ');
}

/** How long to wait, in milliseconds, before input is offered again to a terminal that is full. */
const FULL_PAUSE_MS = 5;

/**
 * Writes to a terminal in order, waiting while it is full. Not through Bun's writer: that one makes terminals blocking,
 * for reading too. Whoever opened the terminal closes it.
 */
export class TerminalWriter {
  readonly #master: number;
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(master: number) {
    this.#master = master;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when the terminal has taken everything. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#last.then(() => this.#writeAll(bytes));
    this.#last = written.catch(() => {});
    return written;
  }

  /** Ends waiting writes; must be called before the terminal is closed. */
  async destroy(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; ) {
      if (this.#isClosed) throw new Error('the terminal is closed');
      try {
        offset += writeSync(this.#master, bytes, offset);
      } catch (error) {
        if (errnoCode(error) !== 'EAGAIN') throw error;
        await Bun.sleep(FULL_PAUSE_MS);
      }
    }
  }
}
