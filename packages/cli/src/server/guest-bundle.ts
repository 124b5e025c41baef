import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildGuestBundle } from '@atoll/envd';

const ROOT = join(import.meta.dirname, '../../../..');
/** What decides the content of a bundle: the guest's sources, the contract they import, and the versions of packages. */
const SOURCES = ['packages/envd/guest', 'packages/envd/src', 'packages/contract/src'];

/** A folder with the programs that we bring into every guest. */
export interface GuestBundle {
  readonly directory: string;
  readonly key: string;
}

/** The guest programs out of the cache, compiled first when these sources never were. */
export async function provideGuestBundle(cacheDir: string): Promise<GuestBundle> {
  const key = await sourceKey();
  const directory = join(cacheDir, 'guest', key);
  if (!existsSync(directory)) {
    await mkdir(join(cacheDir, 'guest'), { recursive: true });
    await buildGuestBundle({ directory });
  }
  return { directory, key };
}

async function sourceKey(): Promise<string> {
  const hash = createHash('sha256').update(process.arch);
  const found = await Promise.all(SOURCES.map((folder) => filesBelow(join(ROOT, folder))));
  for (const path of [...found.flat(), join(ROOT, 'package-lock.json')]) {
    hash.update(path.slice(ROOT.length)).update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 24);
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
