import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Kept between runs: making it takes 15 s and a mirror. */
const CACHE = '/var/cache/atoll-test';
const DEADLINE_MS = 5 * 60_000;

/** A small Debian root: the only layer of the tests' builds. */
export async function testLayer(): Promise<string> {
  const directory = join(CACHE, 'minbase-bookworm');
  if (await exists(directory)) return directory;
  await mkdir(CACHE, { recursive: true });
  const partial = `${directory}.${process.pid}`;
  try {
    await promisify(execFile)('mmdebstrap', ['--variant=minbase', 'bookworm', partial], { timeout: DEADLINE_MS });
    await rename(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Another test process may have made it in the meantime.
    if (!(await exists(directory))) throw error;
  }
  return directory;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
