import { join } from 'node:path';
import type { LogLevel, LogQuery, SandboxLogEntry } from '@atoll/contract';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { SegmentedLog } from './segmented-log.ts';

/** A sandbox's log is bounded: 4 segments of 1 MiB; the oldest lines go first. */
const BOUNDS = { segmentBytes: 1024 * 1024, maxSegments: 4 };

/** Longest message and field kept, in characters: the text comes from the guest. */
const MAX_TEXT = 16 * 1024;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

const EnvdLogPageSchema = Type.Object({
  entries: Type.Array(
    Type.Object({
      timestamp: Type.Union([Type.Number(), Type.String()]),
      level: Type.String(),
      logger: Type.String(),
      message: Type.String(),
      fields: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    }),
  ),
  next: Type.Number(),
});

interface StoredEntry extends SandboxLogEntry {
  /** On the last entry of each page taken from envd: where the next page begins. */
  readonly next?: number;
}

/** The log of one sandbox: what the node reports about it and what envd reports from inside. */
export class SandboxLog {
  readonly #log: SegmentedLog<StoredEntry>;
  #cursor: number | undefined;

  /** `logsDirectory`: the folder that holds the logs of all sandboxes. */
  constructor(logsDirectory: string, sandboxId: string) {
    this.#log = new SegmentedLog(join(logsDirectory, sandboxId), BOUNDS);
  }

  /** Adds a line of the node's own, logger `atoll`. */
  async report(level: LogLevel, message: string, fields: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#log.append([{ timestamp: Date.now(), level, logger: 'atoll', message, fields }]);
  }

  /** Where the next page of envd's log begins; an earlier process may have taken some. */
  async envdCursor(): Promise<number> {
    this.#cursor ??= (await this.#log.read()).findLast((entry) => entry.next !== undefined)?.next ?? 0;
    return this.#cursor;
  }

  /**
   * Adds a page of envd's log as it came over the wire. What is not one is refused: the guest may have sent anything.
   * Lines from before `since` are left out: they are of the time when the guest was in the pool or in its build.
   */
  async addEnvdPage(text: string, since: number): Promise<void> {
    const page = parsePage(text);
    if (page === undefined) throw new Error('The guest sent something that is not a page of a log.');
    this.#cursor = page.next;
    const entries = page.entries.map(entryOf).filter((entry) => entry.timestamp >= since);
    const last = entries.at(-1);
    if (last !== undefined) await this.#log.append([...entries.slice(0, -1), { ...last, next: page.next }]);
  }

  /** Lines that fit the query, in its direction: forward is oldest first, backward newest first. */
  async query(query: LogQuery): Promise<SandboxLogEntry[]> {
    const entries = (await this.#log.read()).sort((a, b) => a.timestamp - b.timestamp);
    return selectEntries(entries, query);
  }

  /** Writes out what is waiting and takes no more. */
  async close(): Promise<void> {
    await this.#log.close();
  }
}

/** The part of a log, given oldest first, that a query asks for. */
export function selectEntries(entries: readonly StoredEntry[], query: LogQuery): SandboxLogEntry[] {
  const { cursor, minimumLevel = 'debug', search = '' } = query;
  const minimum = LEVELS.indexOf(minimumLevel);
  const forward = query.direction === 'forward';
  const fits = (entry: SandboxLogEntry) =>
    (cursor === undefined || (forward ? entry.timestamp >= cursor : entry.timestamp <= cursor)) &&
    LEVELS.indexOf(entry.level) >= minimum &&
    entry.message.includes(search);
  return (forward ? entries : entries.toReversed())
    .filter(fits)
    .slice(0, query.limit)
    .map(({ timestamp, level, logger, message, fields }) => ({ timestamp, level, logger, message, fields }));
}

type EnvdLogPage = Static<typeof EnvdLogPageSchema>;

function entryOf(entry: EnvdLogPage['entries'][number]): SandboxLogEntry {
  return {
    timestamp: typeof entry.timestamp === 'number' ? entry.timestamp : Date.parse(entry.timestamp) || Date.now(),
    level: LEVELS.find((level) => level === entry.level) ?? 'info',
    logger: entry.logger.slice(0, MAX_TEXT),
    message: entry.message.slice(0, MAX_TEXT),
    fields: asText(entry.fields ?? {}),
  };
}

function parsePage(text: string): EnvdLogPage | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Value.Check(EnvdLogPageSchema, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function asText(fields: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(fields).map(([name, value]) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return [name, text.slice(0, MAX_TEXT)] as const;
  });
  return Object.fromEntries(entries);
}
