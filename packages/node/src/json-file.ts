import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** Ends the name of every file that is being written; a leftover one is the trace of a crash and may be deleted. */
export const PARTIAL_SUFFIX = '.partial';

/**
 * Writes a JSON file all or nothing: a reader sees the old content or the new one. It is not flushed to the disk:
 * our own crash loses nothing, and after a crash of the host nothing of what these files tell about runs any more.
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const partial = `${path}.${randomBytes(4).toString('hex')}${PARTIAL_SUFFIX}`;
  try {
    await writeFile(partial, `${JSON.stringify(value)}\n`, { mode: 0o600 });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Reads a JSON file and checks its shape. Undefined when it is missing, not JSON, or of another shape. */
export async function readJsonFile<Schema extends TSchema>(
  path: string,
  schema: Schema,
): Promise<Static<Schema> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Value.Check(schema, value) ? value : undefined;
}
