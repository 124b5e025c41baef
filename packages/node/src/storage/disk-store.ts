import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { AtollError, isSandboxId } from '@atoll/contract';
import type { Logger } from 'pino';
import type { DiskStore, SandboxDisk } from './disks.ts';
import { HostToolError, runHostTool } from './host-tool.ts';
import { detachLoopDevices, readLoopDevices, readMounts, unmount } from './mount-table.ts';
import { planOverlay } from './overlay-options.ts';

const MIB = 1024 * 1024;

/** Below this ext4 leaves nothing for files. */
const MIN_DISK_MIB = 8;

/**
 * No blocks kept for root (guests are root) and no journal: an image lives as long as its guest's memory, so nobody
 * mounts it again after a power cut, and a journal would write everything twice (docs/decisions/0001). Nothing is
 * grown later, so no space is kept for that. `nodiscard`: the file is new and sparse.
 */
const MKFS_ARGS = ['-q', '-F', '-m', '0', '-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1,nodiscard'];

/** `noinit_itable`: or else the kernel fills the sparse file with empty inode tables in the background. */
const IMAGE_MOUNT_OPTIONS = 'loop,noatime,noinit_itable';

/**
 * Disks of one instance: per sandbox a folder with a sparse ext4 image (its size is the limit), the image's mount with
 * upper and work folder, and the overlay over both and the layers.
 *
 * ```
 * <directory>/<id>/disk.img   the image
 * <directory>/<id>/disk/      the image mounted: upper/, work/
 * <directory>/<id>/rootfs/    the overlay
 * ```
 */
export async function openDiskStore(options: { directory: string; logger: Logger }): Promise<DiskStore> {
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const logger = options.logger.child({ component: 'disks' });
  const locks = new Map<string, Promise<unknown>>();

  /** One operation at a time per sandbox: a destroy waits for the create it undoes. */
  function exclusively<T>(sandboxId: string, operation: () => Promise<T>): Promise<T> {
    const previous = locks.get(sandboxId) ?? Promise.resolve();
    const next = previous.then(operation, operation);
    const settled = next.then(
      () => undefined,
      () => undefined,
    );
    locks.set(sandboxId, settled);
    void settled.then(() => {
      if (locks.get(sandboxId) === settled) locks.delete(sandboxId);
    });
    return next;
  }

  return {
    create(sandboxId, { layers, sizeMiB }) {
      const paths = diskPaths(directory, sandboxId);
      return exclusively(sandboxId, async () => {
        if (!Number.isInteger(sizeMiB) || sizeMiB < MIN_DISK_MIB) {
          throw new AtollError('invalid_request', `A disk of ${sizeMiB} MiB is too small: at least ${MIN_DISK_MIB}.`);
        }
        const overlay = planOverlay({ layers: layers.map((layer) => resolve(layer)), ...paths });
        try {
          await mkdir(paths.folder, { mode: 0o711 });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
            throw new AtollError('conflict', `There is a disk of sandbox ${sandboxId} already.`, { cause: error });
          }
          throw diskError(error, `make the disk of sandbox ${sandboxId}`);
        }
        try {
          await Promise.all([mkdir(paths.mount), mkdir(paths.rootfs), createSparseFile(paths.image, sizeMiB * MIB)]);
          await runHostTool('mkfs.ext4', [...MKFS_ARGS, paths.image]);
          // The loop device goes away with the mount, also when we die between the two.
          await runHostTool('mount', ['-t', 'ext4', '-o', IMAGE_MOUNT_OPTIONS, paths.image, paths.mount]);
          await Promise.all([
            mkdir(paths.upper),
            mkdir(paths.work),
            rm(join(paths.mount, 'lost+found'), { recursive: true }),
          ]);
          await runHostTool('mount', ['-t', 'overlay', '-o', overlay.options, 'overlay', paths.rootfs], {
            cwd: overlay.workingDirectory,
          });
          return { rootfs: paths.rootfs, upper: paths.upper };
        } catch (error) {
          await destroyDisk(paths).catch((undoError: unknown) => {
            logger.error({ err: undoError, sandboxId }, 'undoing a half-made disk failed; it is left for reaping');
          });
          throw diskError(error, `make the disk of sandbox ${sandboxId}`);
        }
      });
    },

    adopt(sandboxId) {
      const paths = diskPaths(directory, sandboxId);
      return exclusively(sandboxId, async (): Promise<SandboxDisk | undefined> => {
        const mounted = new Set((await readMounts()).map((mount) => mount.mountPoint));
        if (!mounted.has(paths.mount) || !mounted.has(paths.rootfs)) return undefined;
        return { rootfs: paths.rootfs, upper: paths.upper };
      });
    },

    destroy(sandboxId) {
      const paths = diskPaths(directory, sandboxId);
      return exclusively(sandboxId, async () => {
        try {
          await destroyDisk(paths);
        } catch (error) {
          throw diskError(error, `remove the disk of sandbox ${sandboxId}`);
        }
      });
    },

    async usage(sandboxId) {
      const paths = diskPaths(directory, sandboxId);
      // Without its mount the folder would answer with the host's own numbers. Not asked of the mount table: with a
      // thousand sandboxes that is slow to read, and this is called for each of them all the time.
      if (!(await isOtherDevice(paths.folder, paths.mount))) {
        throw new AtollError('sandbox_not_found', `Sandbox ${sandboxId} has no disk here.`);
      }
      const stats = await statfs(paths.mount);
      return {
        usedBytes: (stats.blocks - stats.bfree) * stats.bsize,
        totalBytes: stats.blocks * stats.bsize,
      };
    },

    async list() {
      const [folders, mounts, loops] = await Promise.all([readdir(directory), readMounts(), readLoopDevices()]);
      const found = new Set(folders.filter(isSandboxId));
      for (const path of [...mounts.map((mount) => mount.mountPoint), ...loops.values()]) {
        const [owner, ...rest] = relative(directory, path).split(sep);
        if (owner !== undefined && rest.length > 0 && isSandboxId(owner)) found.add(owner);
      }
      return [...found].toSorted();
    },
  };
}

interface DiskPaths {
  readonly folder: string;
  readonly image: string;
  readonly mount: string;
  readonly upper: string;
  readonly work: string;
  readonly rootfs: string;
}

function diskPaths(directory: string, sandboxId: string): DiskPaths {
  // The id becomes a path: nothing but [a-z0-9] may.
  if (!isSandboxId(sandboxId)) throw new AtollError('invalid_request', `"${sandboxId}" is not a sandbox id.`);
  const folder = join(directory, sandboxId);
  const mount = join(folder, 'disk');
  return {
    folder,
    mount,
    image: join(folder, 'disk.img'),
    upper: join(mount, 'upper'),
    work: join(mount, 'work'),
    rootfs: join(folder, 'rootfs'),
  };
}

async function createSparseFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

/** Top down: the overlay holds the image's mount, the mount holds the loop device, the device holds the file. */
async function destroyDisk(paths: DiskPaths): Promise<void> {
  const below = (await readMounts())
    .map((mount) => mount.mountPoint)
    .filter((path) => path.startsWith(`${paths.folder}${sep}`));
  for (const mountPoint of below.toReversed()) await unmount(mountPoint);
  // The device goes away with the mount. Only without one can it have been left behind, and looking costs time.
  if (!below.includes(paths.mount)) await detachLoopDevices(paths.image);
  // Never before all is unmounted: this would delete the guest's files one by one.
  await rm(paths.folder, { recursive: true, force: true });
}

/** Whether something is mounted at a folder: it is on another device then. */
async function isOtherDevice(parent: string, folder: string): Promise<boolean> {
  try {
    const [outside, inside] = await Promise.all([stat(parent), stat(folder)]);
    return outside.dev !== inside.dev;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function diskError(error: unknown, attempt: string): unknown {
  if (error instanceof AtollError) return error;
  const noSpace =
    (error as NodeJS.ErrnoException).code === 'ENOSPC' ||
    (error instanceof HostToolError && /no space left/i.test(error.stderr));
  if (noSpace) return new AtollError('disk_full', `Could not ${attempt}: the host's disk is full.`, { cause: error });
  return new AtollError('internal_server_error', `Could not ${attempt}.`, { cause: error });
}
