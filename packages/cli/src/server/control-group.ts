import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

const MOUNT_POINT = '/sys/fs/cgroup';

/** Removes the empty control group of an instance in every hierarchy: v2 has one, v1 one for each controller. */
export async function removeControlGroup(name: string): Promise<void> {
  const hierarchies = await readdir(MOUNT_POINT, { withFileTypes: true }).catch(() => []);
  const folders = [
    MOUNT_POINT,
    ...hierarchies.filter((entry) => entry.isDirectory()).map((entry) => join(MOUNT_POINT, entry.name)),
  ];
  for (const folder of folders) {
    await rmdir(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}
