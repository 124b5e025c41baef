import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const BUILD =
  "const { buildGuestBundle } = await import('@atoll/envd'); await buildGuestBundle(JSON.parse(process.argv[1]));";

/**
 * The real guest programs, made once below a test's data directory and removed with it. Made by a process of its own,
 * because this package must not import envd.
 */
export async function testBundle(dataDir: string): Promise<string> {
  const directory = join(dataDir, 'guest');
  const made = await access(join(directory, 'launch.json')).then(
    () => true,
    () => false,
  );
  if (made) return directory;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUILD, JSON.stringify({ directory })], {
    timeout: 120_000,
    cwd: import.meta.dirname,
  });
  return directory;
}
