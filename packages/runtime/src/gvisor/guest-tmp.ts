import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AtollError } from '@atoll/contract';

const STICKY_FOR_ALL = 0o1777;

/**
 * Keeps the guest's /tmp on its disk. gVisor puts a memory file system over a /tmp that is missing or empty, which
 * would count against the guest's memory and escape the disk's limit; so the folder gets the entry that X servers
 * expect there anyway.
 */
export async function prepareGuestTmp(rootfs: string): Promise<void> {
  const tmp = join(rootfs, 'tmp');
  await makeFolder(tmp);
  await makeFolder(join(tmp, '.X11-unix'));
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Files come from a template: a link here would make us work on the host's files. No guest runs yet that could
    // exchange it behind our back.
    if ((await lstat(path)).isDirectory()) return;
    throw new AtollError('invalid_request', `/${path.split('/').slice(-2).join('/')} of the template is no folder.`);
  }
  await chmod(path, STICKY_FOR_ALL);
}
