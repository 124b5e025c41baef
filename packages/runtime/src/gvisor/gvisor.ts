import { access, copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AtollError } from '@atoll/contract';
import type { Logger } from 'pino';
import { readRunscVersion } from '../runsc/find.ts';
import { judgeRunsc } from '../runsc/pinned.ts';
import type { GuestSpec, Runtime } from '../runtime.ts';
import { isGone } from './cgroup-files.ts';
import { openCgroups } from './cgroups.ts';
import { limitGuestProcesses } from './control-socket.ts';
import { createGuestLocks } from './guest-locks.ts';
import { prepareGuestTmp } from './guest-tmp.ts';
import { planOciSpec } from './oci-spec.ts';
import { orderOutOfMemory } from './oom-order.ts';
import { createRunscCommand } from './runsc-command.ts';
import { listRunscGuests, readGuestKernel, removeRunscFiles, unpinNullNetwork } from './runsc-state.ts';

/** Starts take a tenth of a second; on a host that starts many at once, seconds. */
const BOOT_DEADLINE_MS = 30_000;
/** Reads the image, in the worst case gigabytes from a slow disk. */
const RESTORE_DEADLINE_MS = 60_000;
const CHECKPOINT_DEADLINE_MS = 120_000;

/**
 * In a guest's folder and in a memory image: the id under which the guest was once booted. Its kernel keeps that name
 * for the guest's own control group, however often it is saved and restored under other ids.
 */
const ORIGIN_FILE = 'origin';

/** What a complete memory image consists of. */
const IMAGE_FILES = ['checkpoint.img', 'pages.img', 'pages_meta.img', ORIGIN_FILE] as const;

/** How gVisor reaches the guest's memory and system calls. `kvm` needs a usable /dev/kvm. */
export type GvisorPlatform = 'systrap' | 'kvm' | 'ptrace';

export interface GvisorOptions {
  /** The runsc executable (see `findRunsc`). */
  readonly runscPath: string;
  /** Folder for bundles and runsc's own state; one runtime at a time. */
  readonly stateDir: string;
  /** Name of the control group below which all guests get theirs: `^[a-z0-9-]+$`. */
  readonly cgroupParent: string;
  /** Default: systrap, which works everywhere. */
  readonly platform?: GvisorPlatform;
  readonly logger: Logger;
}

/** How a guest comes to life: booted or restored. */
interface StartCall {
  readonly args: readonly string[];
  readonly origin: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * The gVisor runtime: each guest is one runsc sandbox process with a small file server ("gofer") beside it, both in
 * the guest's control group. All state is in `stateDir` and the control groups, so a new object on the same folder
 * goes on where an earlier process of ours stopped.
 */
export async function openGvisor(options: GvisorOptions): Promise<Runtime> {
  const stateDir = resolve(options.stateDir);
  const runscRoot = join(stateDir, 'runsc');
  const guestsDir = join(stateDir, 'guests');
  const logger = options.logger.child({ component: 'gvisor' });

  const version = await requireVersion(options.runscPath);
  await mkdir(runscRoot, { recursive: true, mode: 0o711 });
  await mkdir(guestsDir, { recursive: true, mode: 0o700 });
  const cgroups = await openCgroups({ parent: options.cgroupParent });
  const maxOpenFiles = await readMaxOpenFiles();
  const locks = createGuestLocks();
  /** Sandbox process of guests met so far; runsc's state file has it too, but reading that is 20 times slower. */
  const sandboxPids = new Map<string, number>();
  /** Guests being made: while there are any, what they share must stay; while that is removed, they wait. */
  let starting = 0;
  let removingShared: Promise<unknown> = Promise.resolve();

  const runsc = createRunscCommand({
    runscPath: options.runscPath,
    flags: [
      `--root=${runscRoot}`,
      `--platform=${options.platform ?? 'systrap'}`,
      // Guests write to the host's overlay: files survive a crash of the sandbox and obey the disk's limit.
      '--overlay2=none',
      // sudo works inside.
      '--allow-suid',
      // ping and tcpdump work inside; what may leave the guest is decided outside of it, on the host's interface.
      '--net-raw',
      // The host's settings are `atoll doctor`'s business, not each start's.
      '--host-settings=ignore',
      // The guest's own control groups are version 2 (see limitGuestProcesses).
      '--in-sandbox-cgroup=v2',
      // A restored guest has another host name, environment and limits than the one that was saved.
      '--restore-spec-validation=ignore',
    ],
  });

  const guestDir = (id: string): string => join(guestsDir, id);
  const logPath = (id: string): string => join(guestDir(id), 'runsc.log');

  async function start(spec: GuestSpec, call: StartCall): Promise<void> {
    requireGuestId(spec.id);
    call.signal.throwIfAborted();
    let failed = false;
    starting += 1;
    try {
      await removingShared;
      await locks.exclusively(spec.id, async () => {
        // 1. The guest's folder, which also reserves its id.
        try {
          await mkdir(guestDir(spec.id), { mode: 0o700 });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          throw new AtollError('conflict', `There is a guest ${spec.id} already.`, { cause: error });
        }
        try {
          // 2. Its control group with the limits, before anything runs, and its bundle.
          const ociSpec = planOciSpec(spec, { cgroupsPath: cgroups.pathForRunsc(spec.id), maxOpenFiles });
          await Promise.all([
            cgroups.create(spec.id, spec.limits),
            writeFile(join(guestDir(spec.id), 'config.json'), JSON.stringify(ociSpec), { mode: 0o600 }),
            writeFile(join(guestDir(spec.id), ORIGIN_FILE), call.origin),
            prepareGuestTmp(spec.rootfs),
          ]);
          // 3. The guest.
          await runsc({
            args: [...call.args, `-bundle=${guestDir(spec.id)}`, spec.id],
            logPath: logPath(spec.id),
            deadlineMs: call.deadlineMs,
            signal: call.signal,
          });
          // 4. What can only be said of a running guest.
          await settle(spec, call.origin);
        } catch (error) {
          await remove(spec.id).catch((undoError: unknown) => {
            logger.error({ err: undoError, guest: spec.id }, 'undoing a failed start failed; it is left for reaping');
          });
          throw error;
        }
      });
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      starting -= 1;
      if (failed) await removeSharedIfUnused();
    }
  }

  /** Says who dies first for want of memory, and how many processes the guest may have. */
  async function settle(spec: GuestSpec, origin: string): Promise<void> {
    const kernel = await readGuestKernel(runscRoot, spec.id);
    sandboxPids.set(spec.id, kernel.sandboxPid);
    try {
      const group = await cgroups.processes(spec.id);
      await Promise.all([
        orderOutOfMemory(group, [kernel.sandboxPid, kernel.goferPid]),
        limitGuestProcesses(runscRoot, spec.id, { origin, limits: spec.limits }),
      ]);
    } catch (error) {
      if (await isAlive(spec.id)) throw error;
      throw new AtollError('sandbox_create_failed', `The first process of guest ${spec.id} ended at once.`, {
        cause: error,
      });
    }
  }

  /** Ends the guest's processes and removes everything that was made for it. */
  async function remove(id: string): Promise<void> {
    // Not `runsc delete`: it starts a process, waits for nothing we could not see, and knows less than the control group.
    await cgroups.killAll(id);
    sandboxPids.delete(id);
    await Promise.all([cgroups.remove(id), removeRunscFiles(runscRoot, id)]);
    await rm(guestDir(id), { recursive: true, force: true });
  }

  /** What all guests share goes with the last one, so that an idle host shows nothing of ours. */
  async function removeSharedIfUnused(): Promise<void> {
    const removal = removingShared.then(async () => {
      const left = await readdir(guestsDir);
      if (starting > 0 || left.length > 0) return;
      await Promise.all([unpinNullNetwork(runscRoot), cgroups.removeParent()]);
    });
    removingShared = removal.catch(() => undefined);
    await removal;
  }

  async function requireAlive(id: string): Promise<void> {
    requireGuestId(id);
    if (!(await isAlive(id))) throw new AtollError('sandbox_not_found', `There is no live guest ${id}.`);
  }

  async function isAlive(id: string): Promise<boolean> {
    const pid = sandboxPids.get(id) ?? (await readGuestKernel(runscRoot, id).catch(() => undefined))?.sandboxPid;
    if (pid === undefined) return false;
    sandboxPids.set(id, pid);
    // In the guest's own control group a process id cannot be somebody else's, however often ids were reused.
    return (await cgroups.processes(id)).includes(pid);
  }

  return {
    name: 'gvisor',
    version,

    async boot(spec, signal) {
      await start(spec, { args: ['run', '-detach'], origin: spec.id, deadlineMs: BOOT_DEADLINE_MS, signal });
    },

    async restore(spec, imageDirectory, signal) {
      await requireImage(imageDirectory);
      // -background: the guest runs while its pages are still being read.
      const args = ['restore', '-detach', '-background', `-image-path=${resolve(imageDirectory)}`];
      const origin = await readFile(join(imageDirectory, ORIGIN_FILE), 'utf8');
      await start(spec, { args, origin, deadlineMs: RESTORE_DEADLINE_MS, signal });
    },

    async checkpoint(id, imageDirectory, { leaveRunning }, signal) {
      await requireAlive(id);
      await locks.exclusively(id, async () => {
        if (await cgroups.isFrozen(id)) {
          throw new AtollError('conflict', `Guest ${id} is frozen and cannot write its memory; thaw it first.`);
        }
        const image = resolve(imageDirectory);
        if (await exists(image)) throw new AtollError('conflict', `There is something at ${image} already.`);
        const partial = `${image}.partial`;
        await rm(partial, { recursive: true, force: true });
        await mkdir(partial, { recursive: true, mode: 0o700 });
        try {
          await runsc({
            args: [
              'checkpoint',
              `-image-path=${partial}`,
              '-compression=none',
              ...(leaveRunning ? ['-leave-running'] : []),
              id,
            ],
            logPath: logPath(id),
            deadlineMs: CHECKPOINT_DEADLINE_MS,
            signal,
          });
          await copyFile(join(guestDir(id), ORIGIN_FILE), join(partial, ORIGIN_FILE));
          await requireImage(partial);
          await rename(partial, image);
        } catch (error) {
          await rm(partial, { recursive: true, force: true });
          throw error;
        }
        if (!leaveRunning) await remove(id);
      });
      if (!leaveRunning) await removeSharedIfUnused();
    },

    async freeze(id) {
      await requireAlive(id);
      await cgroups.freeze(id);
    },

    async thaw(id) {
      await requireAlive(id);
      await cgroups.thaw(id);
    },

    async kill(id) {
      requireGuestId(id);
      await locks.exclusively(id, () => remove(id));
      await removeSharedIfUnused();
    },

    async usage(id) {
      requireGuestId(id);
      try {
        return await cgroups.usage(id);
      } catch (error) {
        if (!isGone(error)) throw error;
        throw new AtollError('sandbox_not_found', `There is no guest ${id}.`, { cause: error });
      }
    },

    async updateLimits(id, limits) {
      await requireAlive(id);
      const origin = await readFile(join(guestDir(id), ORIGIN_FILE), 'utf8');
      await Promise.all([cgroups.setLimits(id, limits), limitGuestProcesses(runscRoot, id, { origin, limits })]);
    },

    async list() {
      const [folders, groups, states] = await Promise.all([
        readdir(guestsDir),
        cgroups.list(),
        listRunscGuests(runscRoot),
      ]);
      const ids = [...new Set([...folders, ...groups, ...states])].toSorted();
      return await Promise.all(ids.map(async (id) => ({ id, alive: await isAlive(id) })));
    },

    isAlive,
  };
}

/** Ids become paths and names of control groups. */
function requireGuestId(id: string): void {
  if (!/^[a-z0-9]{1,64}$/.test(id)) throw new AtollError('invalid_request', `"${id}" is not a guest id.`);
}

async function requireImage(imageDirectory: string): Promise<void> {
  for (const name of IMAGE_FILES) {
    const size = await stat(join(imageDirectory, name)).then(
      (stats) => stats.size,
      () => 0,
    );
    // pages.img may be empty only if the guest had no memory, which no guest has.
    if (size === 0) {
      throw new AtollError('internal_server_error', `The memory image ${imageDirectory} is incomplete: no ${name}.`);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function requireVersion(runscPath: string): Promise<string> {
  const version = await readRunscVersion(runscPath);
  const verdict = judgeRunsc(version);
  if (!verdict.fits) throw new AtollError('runtime_unsupported', `${runscPath} cannot be used: ${verdict.reason}.`);
  return version;
}

/** The most files a process of ours may have open: gVisor opens the guest's files on its behalf. */
async function readMaxOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return Math.min(Number(hard ?? 4096), 1_048_576);
}
