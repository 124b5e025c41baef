import { closeSync } from 'node:fs';
import { type ByteReader, byteReader } from './byte-reader.ts';
import { cString, libc, systemError } from './libc.ts';

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

/** Event bits of inotify(7). */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ONLYDIR: 0x01000000,
  ISDIR: 0x40000000,
} as const;

const WATCHED =
  IN.MODIFY |
  IN.ATTRIB |
  IN.MOVED_FROM |
  IN.MOVED_TO |
  IN.CREATE |
  IN.DELETE |
  IN.DELETE_SELF |
  IN.MOVE_SELF |
  IN.ONLYDIR;

/** struct inotify_event without its name: wd, mask, cookie, len. */
const EVENT_HEADER_BYTES = 16;

export interface InotifyEvent {
  readonly watch: number;
  readonly mask: number;
  /** Name within the watched directory; empty for the directory itself. */
  readonly name: string;
}

/** One inotify instance of the kernel. */
export class Inotify {
  readonly #descriptor: number;
  readonly #reader: ByteReader;
  readonly #finished: Promise<void>;
  #closing: Promise<void> | undefined;

  /** `onEvents` may answer with a wait, during which the kernel queues. */
  constructor(onEvents: (events: InotifyEvent[]) => Promise<void> | undefined) {
    this.#descriptor = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (this.#descriptor < 0) throw systemError('inotify_init1');
    this.#reader = byteReader(this.#descriptor);
    this.#finished = this.#run(onEvents);
  }

  /** Watches a directory; the same directory gives the same number again. Throws as a system call does. */
  add(directory: string): number {
    const watch = libc.inotify_add_watch(this.#descriptor, cString(directory), WATCHED);
    if (watch < 0) throw systemError('inotify_add_watch');
    return watch;
  }

  remove(watch: number): void {
    libc.inotify_rm_watch(this.#descriptor, watch);
  }

  close(): Promise<void> {
    this.#closing ??= this.#reader
      .cancel()
      .catch(() => {})
      .then(() => this.#finished);
    return this.#closing;
  }

  async #run(onEvents: (events: InotifyEvent[]) => Promise<void> | undefined): Promise<void> {
    try {
      for (;;) {
        const next = await this.#reader.read();
        if (next.done || next.value === undefined) return;
        const handled = onEvents(parseEvents(next.value));
        if (handled !== undefined) await handled;
      }
    } finally {
      closeSync(this.#descriptor);
    }
  }
}

function parseEvents(bytes: Uint8Array): InotifyEvent[] {
  const events: InotifyEvent[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset + EVENT_HEADER_BYTES <= buffer.length; ) {
    const nameStart = offset + EVENT_HEADER_BYTES;
    const nameEnd = nameStart + buffer.readUInt32LE(offset + 12);
    const padded = buffer.toString('utf8', nameStart, nameEnd);
    events.push({
      watch: buffer.readInt32LE(offset),
      mask: buffer.readUInt32LE(offset + 4),
      name: padded.split('\0', 1)[0] ?? '',
    });
    offset = nameEnd;
  }
  return events;
}
