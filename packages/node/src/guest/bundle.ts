import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AtollError } from '@atoll/contract';
import { Type } from 'typebox';
import { readJsonFile } from '../json-file.ts';

/** Where guests see the bundle, read-only. */
export const BUNDLE_MOUNT_POINT = '/.atoll';

const LaunchSchema = Type.Object({
  args: Type.Array(Type.String(), { minItems: 1 }),
  env: Type.Array(Type.String()),
  cwd: Type.String(),
});

/** The programs we bring into every guest, and how the first of them is started. */
export interface GuestBundle {
  readonly directory: string;
  /** Hash of all files: a memory image fits only the bundle it was taken with. */
  readonly digest: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
}

/** Reads a bundle folder made by the envd package. */
export async function readGuestBundle(directory: string): Promise<GuestBundle> {
  const launch = await readJsonFile(join(directory, 'launch.json'), LaunchSchema);
  if (launch === undefined) {
    throw new AtollError(
      'internal_server_error',
      `${directory} holds no readable launch.json: build the guest programs first.`,
    );
  }
  return { directory, digest: await digestOf(directory), ...launch };
}

async function digestOf(directory: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    hash.update(`${file.slice(directory.length)}\0`);
    await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), async (chunks) => {
      for await (const chunk of chunks) hash.update(chunk as Buffer);
    });
  }
  return hash.digest('hex');
}
