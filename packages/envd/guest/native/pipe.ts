import { closeSync } from 'node:fs';
import { type ByteReader, byteReader } from './byte-reader.ts';
import { libc, systemError } from './libc.ts';

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;

/** Both ends of a pipe, closed on exec. Real pipes, because a shell cannot reopen Bun's socket pairs as /dev/stdout. */
export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

const ends = new Int32Array(2);

/** Makes a pipe of which our end does not block; the other end, given to a program, blocks as programs expect. */
export function openPipe(ours: 'read' | 'write'): Pipe {
  if (libc.pipe2(ends, O_CLOEXEC) !== 0) throw systemError('pipe2');
  const [readEnd = -1, writeEnd = -1] = ends;
  if (libc.fcntl(ours === 'read' ? readEnd : writeEnd, F_SETFL, O_NONBLOCK) !== 0) throw systemError('fcntl');
  return { readEnd, writeEnd };
}

/** Reads a non-blocking descriptor as fast as `deliver` takes, then returns. `deliver` may answer with a wait. */
export class DescriptorReader {
  readonly #reader: ByteReader;
  readonly #descriptor: number;
  /** Settles when the other side is closed or `stop` was called; the descriptor is closed by then. */
  readonly finished: Promise<void>;

  constructor(descriptor: number, deliver: (bytes: Uint8Array) => Promise<void> | undefined) {
    this.#descriptor = descriptor;
    this.#reader = byteReader(descriptor);
    this.finished = this.#run(deliver);
  }

  /** Ends reading at once. */
  async stop(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.finished;
  }

  async #run(deliver: (bytes: Uint8Array) => Promise<void> | undefined): Promise<void> {
    try {
      for (;;) {
        const next = await this.#reader.read();
        if (next.done || next.value === undefined) return;
        const delivered = deliver(next.value);
        if (delivered !== undefined) await delivered;
      }
    } catch {
      // EIO is how a terminal says that its last user has closed it; any other failure ends the output as well.
    } finally {
      closeSync(this.#descriptor);
    }
  }
}

/** Writes to the pipe end it is given, in order, waiting while the other side is full. */
export class PipeWriter {
  readonly #sink: Bun.FileSink;
  #last: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(descriptor: number) {
    this.#sink = Bun.file(descriptor).writer({ highWaterMark: 1 });
    // The sink works on a duplicate, which it closes.
    closeSync(descriptor);
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Resolves when the other side's buffer has taken everything. Rejects with EPIPE when nobody can read it. */
  write(bytes: Uint8Array): Promise<void> {
    const written = this.#last.then(async () => {
      await this.#sink.write(bytes);
      await this.#sink.flush();
    });
    this.#last = written.catch(() => {});
    return written;
  }

  /** Closes after what was written before. */
  close(): Promise<void> {
    this.#closed ??= this.#last.then(() => this.#end());
    return this.#closed;
  }

  /** Closes without waiting: what is still to be written goes only as long as somebody reads it. */
  destroy(): void {
    this.#closed ??= this.#end();
  }

  async #end(): Promise<void> {
    try {
      await this.#sink.end();
    } catch {
      // The other side went away with unread input: nothing is left to tell anybody.
    }
  }
}
