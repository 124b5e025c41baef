import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { readJsonFile, writeJsonFile } from '../json-file.ts';

const JournalEntrySchema = Type.Object({
  version: Type.Literal(1),
  /** Unique name of the entry and of its file. */
  id: Type.String(),
  operation: Type.String(),
  /** The sandbox or build that the operation is about. */
  subject: Type.String(),
  /** The step that has begun; everything before it is done. */
  step: Type.String(),
  /** What undoing needs to know beyond the subject, as plain data. */
  facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
  startedAt: Type.Number(),
});

/** One operation that was begun and not finished. */
export type JournalEntry = Static<typeof JournalEntrySchema>;

/** Facts of an operation, filled while its steps run and written with the next step. */
export type JournalFacts = JournalEntry['facts'];

/** The open operations of a node: one small file each, written before a step acts, removed when the operation is over. */
export class Journal {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Writes down that a step begins. */
  async record(entry: JournalEntry): Promise<void> {
    await writeJsonFile(this.#file(entry.id), entry);
  }

  async remove(id: string): Promise<void> {
    await rm(this.#file(id), { force: true });
  }

  /** What an earlier process left open, oldest first. Files that were never completed are deleted: nothing had acted on them. */
  async leftovers(): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const entry = name.endsWith('.json') ? await readJsonFile(path, JournalEntrySchema) : undefined;
      if (entry === undefined) await rm(path, { force: true });
      else entries.push(entry);
    }
    return entries.sort((a, b) => a.startedAt - b.startedAt);
  }

  #file(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
