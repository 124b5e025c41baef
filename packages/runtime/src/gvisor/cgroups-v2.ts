import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AtollError } from '@atoll/contract';
import type { GuestLimits } from '../runtime.ts';
import {
  isGone,
  killProcesses,
  listChildren,
  parseFlatKeyed,
  readControl,
  readProcesses,
  removeGroup,
  removeIfEmpty,
  untilSettled,
  writeControl,
} from './cgroup-files.ts';
import { CPU_PERIOD_US, type GuestCgroups, maxHostTasks } from './cgroups.ts';

const MIB = 1024 * 1024;

/** cpuset: runsc reads from it how many CPUs there are. */
const CONTROLLERS = ['cpu', 'cpuset', 'memory', 'pids'] as const;

/** Control groups version 2: one tree for all. Kernel document: admin-guide/cgroup-v2. */
export async function openCgroupsV2(options: { parent: string; mountPoint: string }): Promise<GuestCgroups> {
  const root = join(options.mountPoint, options.parent);
  const available = new Set((await readFile(join(options.mountPoint, 'cgroup.controllers'), 'utf8')).trim().split(' '));
  for (const controller of CONTROLLERS) {
    if (!available.has(controller)) {
      throw new AtollError('runtime_unsupported', `The host's control groups (version 2) lack "${controller}".`);
    }
  }
  const enable = CONTROLLERS.map((controller) => `+${controller}`).join(' ');

  async function makeParent(): Promise<void> {
    await writeControl(join(options.mountPoint, 'cgroup.subtree_control'), enable);
    await mkdir(root, { recursive: true });
    await writeControl(join(root, 'cgroup.subtree_control'), enable);
  }

  const file = (id: string, name: string): string => join(root, id, name);

  async function setLimits(id: string, limits: GuestLimits): Promise<void> {
    const quota = limits.cpuCount === 0 ? 'max' : String(Math.round(limits.cpuCount * CPU_PERIOD_US));
    await Promise.all([
      writeControl(file(id, 'cpu.max'), `${quota} ${CPU_PERIOD_US}`),
      writeControl(file(id, 'memory.max'), limits.memoryMiB === 0 ? 'max' : String(limits.memoryMiB * MIB)),
      // Not there on kernels that do not count swap.
      writeControl(file(id, 'memory.swap.max'), limits.memoryMiB === 0 ? 'max' : '0').catch(ignoreGone),
      writeControl(file(id, 'pids.max'), maxHostTasks(limits.maxProcesses)),
    ]);
  }

  return {
    ...controlProcesses(root),
    pathForRunsc: (id) => `/${options.parent}/${id}`,
    setLimits,

    async create(id, limits) {
      // The parent goes with the last guest.
      await makeParent();
      await mkdir(join(root, id), { recursive: true });
      await setLimits(id, limits);
    },

    async usage(id) {
      const [cpu, charged, stat, events] = await Promise.all([
        readFile(file(id, 'cpu.stat'), 'utf8').then(parseFlatKeyed),
        readFile(file(id, 'memory.current'), 'utf8'),
        readFile(file(id, 'memory.stat'), 'utf8').then(parseFlatKeyed),
        readFile(file(id, 'memory.events'), 'utf8').then(parseFlatKeyed),
      ]);
      // The guest's memory is shared memory to the host, which the kernel counts among the files too.
      const cacheBytes = Math.max(0, (stat.get('file') ?? 0) - (stat.get('shmem') ?? 0));
      return {
        cpuNanoseconds: (cpu.get('usage_usec') ?? 0) * 1000,
        memoryBytes: Math.max(0, Number(charged) - cacheBytes),
        cacheBytes,
        oomKills: events.get('oom_kill') ?? 0,
      };
    },
  };
}

/** The part that needs no controller: processes of the groups below `root`. */
export function controlProcesses(root: string): Omit<GuestCgroups, 'pathForRunsc' | 'create' | 'setLimits' | 'usage'> {
  const file = (id: string, name: string): string => join(root, id, name);

  async function setFrozen(id: string, frozen: boolean): Promise<void> {
    await writeControl(file(id, 'cgroup.freeze'), frozen ? '1' : '0');
    await untilSettled(`guest ${id} to ${frozen ? 'freeze' : 'thaw'}`, async () => {
      const events = parseFlatKeyed((await readControl(file(id, 'cgroup.events'))) ?? '');
      return (events.get('frozen') === 1) === frozen;
    });
  }

  return {
    processes: (id) => readProcesses(file(id, 'cgroup.procs')),
    freeze: (id) => setFrozen(id, true),
    thaw: (id) => setFrozen(id, false),
    isFrozen: async (id) => (await readControl(file(id, 'cgroup.freeze'))) === '1',

    async killAll(id) {
      await untilSettled(`guest ${id} to end`, async () => {
        const pids = await readProcesses(file(id, 'cgroup.procs'));
        if (pids.length === 0) return true;
        try {
          // Ends frozen processes too, and those that are just being forked. Linux >= 5.14.
          await writeControl(file(id, 'cgroup.kill'), '1');
        } catch (error) {
          ignoreGone(error);
          // The freezer of version 2 lets a kill through.
          killProcesses(pids);
        }
        return false;
      });
    },

    remove: (id) => removeGroup(join(root, id)),
    list: () => listChildren(root),
    removeParent: () => removeIfEmpty(root),
  };
}

function ignoreGone(error: unknown): void {
  if (!isGone(error)) throw error;
}
