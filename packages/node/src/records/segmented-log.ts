import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const SEGMENT = /^([0-9]{8})\.jsonl$/;

/**
 * An append-only log of JSON lines that never grows beyond a bound: when the newest of its segments (files) is full, a
 * new one begins and the oldest goes. A line that a crash cut off is skipped by readers.
 */
export class SegmentedLog<Entry> {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #maxSegments: number;
  #current: { number: number; bytes: number } | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(directory: string, bounds: { segmentBytes: number; maxSegments: number }) {
    this.#directory = directory;
    this.#segmentBytes = bounds.segmentBytes;
    this.#maxSegments = bounds.maxSegments;
  }

  /** Adds entries in the order of the calls. After {@link close} it does nothing. */
  append(entries: readonly Entry[]): Promise<void> {
    const written = this.#queue.then(() => (this.#closed || entries.length === 0 ? undefined : this.#write(entries)));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  /** All entries, oldest first. */
  async read(): Promise<Entry[]> {
    await this.#queue;
    const entries: Entry[] = [];
    for (const number of await this.#segments()) {
      const text = await readFile(this.#file(number), 'utf8').catch(emptyWhenMissing);
      for (const line of text.split('\n')) {
        const entry = parseLine<Entry>(line);
        if (entry !== undefined) entries.push(entry);
      }
    }
    return entries;
  }

  /** Waits for what was appended and refuses more, so that the folder can be deleted for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
  }

  async #write(entries: readonly Entry[]): Promise<void> {
    const current = this.#current ?? (await this.#open());
    this.#current = current;
    if (current.bytes >= this.#segmentBytes) {
      current.number += 1;
      current.bytes = 0;
      const segments = await this.#segments();
      const surplus = segments.length - (this.#maxSegments - 1);
      for (const number of segments.slice(0, Math.max(0, surplus))) await rm(this.#file(number), { force: true });
    }
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    await appendFile(this.#file(current.number), text, { mode: 0o600 });
    current.bytes += Buffer.byteLength(text);
  }

  /** Continues the last segment; an earlier process may have been cut off in a line, so that one is ended first. */
  async #open(): Promise<{ number: number; bytes: number }> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const last = (await this.#segments()).at(-1);
    if (last === undefined) return { number: 0, bytes: 0 };
    const { size } = await stat(this.#file(last));
    await appendFile(this.#file(last), '\n');
    return { number: last, bytes: size + 1 };
  }

  async #segments(): Promise<number[]> {
    const names = await readdir(this.#directory).catch(() => []);
    return names
      .map((name) => SEGMENT.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  #file(number: number): string {
    return join(this.#directory, `${String(number).padStart(8, '0')}.jsonl`);
  }
}

/** Lines are written by this class only; what is not whole JSON is the end of a crash. */
function parseLine<Entry>(line: string): Entry | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return undefined;
  }
}

/** A segment may be rotated away between listing and reading. */
function emptyWhenMissing(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}
