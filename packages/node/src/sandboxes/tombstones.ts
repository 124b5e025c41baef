import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeathReason } from '@atoll/contract';
import { type Static, Type } from 'typebox';
import { readJsonFile, writeJsonFile } from '../json-file.ts';

/** How long the reason of a sandbox's end, and its log, are kept: 7 days, as upstream keeps logs. */
export const AFTERLIFE_MS = 7 * 24 * 60 * 60 * 1000;

const TombstoneSchema = Type.Object({
  version: Type.Literal(1),
  sandboxId: Type.String(),
  teamId: Type.String(),
  reason: Type.String(),
  detail: Type.String(),
  endedAt: Type.Number(),
});

/** Why and when a sandbox ended. */
export type Tombstone = Omit<Static<typeof TombstoneSchema>, 'version' | 'reason'> & { readonly reason: DeathReason };

/** The reasons of sandboxes that are gone, one small file each. */
export class Tombstones {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(tombstone: Tombstone): Promise<void> {
    await writeJsonFile(this.#file(tombstone.sandboxId), { version: 1, ...tombstone });
  }

  async read(sandboxId: string): Promise<Tombstone | undefined> {
    const found = await readJsonFile(this.#file(sandboxId), TombstoneSchema);
    // Only `write` makes these files, so the reason is one of ours.
    return found as Tombstone | undefined;
  }

  #file(sandboxId: string): string {
    return join(this.#directory, `${sandboxId}.json`);
  }
}

/** Deletes entries of a folder that were last written more than {@link AFTERLIFE_MS} ago, except those of `keep`. */
export async function removeExpired(directory: string, keep: (name: string) => boolean): Promise<void> {
  const oldest = Date.now() - AFTERLIFE_MS;
  for (const name of await readdir(directory)) {
    if (keep(name)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < oldest) await rm(path, { recursive: true, force: true });
  }
}
