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

/** Guests cannot be limited, frozen or counted without these. */
const NEEDED = ['cpu', 'cpuacct', 'freezer', 'memory', 'pids'] as const;

/** Control groups version 1: one tree per controller (or several controllers in one). */
export async function openCgroupsV1(options: {
  parent: string;
  hierarchies: ReadonlyMap<string, string>;
}): Promise<GuestCgroups> {
  const { parent, hierarchies } = options;
  for (const controller of NEEDED) {
    if (!hierarchies.has(controller)) {
      throw new AtollError('runtime_unsupported', `The host's control groups (version 1) lack "${controller}".`);
    }
  }
  const roots = [...new Set(hierarchies.values())].map((root) => join(root, parent));
  const cpusetRoot = hierarchies.get('cpuset');

  async function makeGroup(id: string): Promise<void> {
    await Promise.all(roots.map((root) => mkdir(join(root, id), { recursive: true })));
    if (cpusetRoot === undefined) return;
    const cpusetParent = join(cpusetRoot, parent);
    // The parent may be new too: it goes with the last guest.
    await inheritCpuset(cpusetRoot, cpusetParent);
    await inheritCpuset(cpusetParent, join(cpusetParent, id));
  }

  const file = (controller: (typeof NEEDED)[number], id: string, name: string): string =>
    join(hierarchies.get(controller) ?? '', parent, id, name);

  async function setLimits(id: string, limits: GuestLimits): Promise<void> {
    const memory = limits.memoryMiB === 0 ? '-1' : String(limits.memoryMiB * MIB);
    await writeControl(file('cpu', id, 'cpu.cfs_period_us'), String(CPU_PERIOD_US));
    await Promise.all([
      writeControl(
        file('cpu', id, 'cpu.cfs_quota_us'),
        limits.cpuCount === 0 ? '-1' : String(Math.round(limits.cpuCount * CPU_PERIOD_US)),
      ),
      writeMemoryLimit(file('memory', id, ''), memory),
      writeControl(file('pids', id, 'pids.max'), maxHostTasks(limits.maxProcesses)),
    ]);
  }

  async function thaw(id: string): Promise<void> {
    await writeControl(file('freezer', id, 'freezer.state'), 'THAWED');
  }

  return {
    pathForRunsc: (id) => `/${parent}/${id}`,
    setLimits,
    thaw,

    async create(id, limits) {
      await makeGroup(id);
      await setLimits(id, limits);
    },

    processes: (id) => readProcesses(file('freezer', id, 'cgroup.procs')),

    async freeze(id) {
      const state = file('freezer', id, 'freezer.state');
      await writeControl(state, 'FROZEN');
      await untilSettled(`guest ${id} to freeze`, async () => (await readControl(state)) === 'FROZEN');
    },

    isFrozen: async (id) => ((await readControl(file('freezer', id, 'freezer.state'))) ?? 'THAWED') !== 'THAWED',

    async killAll(id) {
      await untilSettled(`guest ${id} to end`, async () => {
        // Several rounds: a process may have forked between reading and killing.
        const pids = await readProcesses(file('freezer', id, 'cgroup.procs'));
        if (pids.length === 0) return true;
        killProcesses(pids);
        // A frozen process dies only once thawed; with the signal pending it runs no instruction of its own.
        await thaw(id).catch((error: unknown) => {
          if (!isGone(error)) throw error;
        });
        return false;
      });
    },

    async usage(id) {
      const [cpu, charged, stat, oom] = await Promise.all([
        readFile(file('cpuacct', id, 'cpuacct.usage'), 'utf8'),
        readFile(file('memory', id, 'memory.usage_in_bytes'), 'utf8'),
        readFile(file('memory', id, 'memory.stat'), 'utf8').then(parseFlatKeyed),
        readFile(file('memory', id, 'memory.oom_control'), 'utf8').then(parseFlatKeyed),
      ]);
      // The guest's memory is shared memory to the host, which the kernel counts as cache too.
      const cacheBytes = Math.max(0, (stat.get('cache') ?? 0) - (stat.get('shmem') ?? 0));
      return {
        cpuNanoseconds: Number(cpu),
        memoryBytes: Math.max(0, Number(charged) - cacheBytes),
        cacheBytes,
        oomKills: oom.get('oom_kill') ?? 0,
      };
    },

    async remove(id) {
      await Promise.all(roots.map((root) => removeGroup(join(root, id))));
    },

    async list() {
      const lists = await Promise.all(roots.map(listChildren));
      return [...new Set(lists.flat())];
    },

    async removeParent() {
      await Promise.all(roots.map(removeIfEmpty));
    },
  };
}

/** A new cpuset is empty and takes no process until it has CPUs and memory nodes. */
async function inheritCpuset(from: string, to: string): Promise<void> {
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    const [value, present] = await Promise.all([readControl(join(from, name)), readControl(join(to, name))]);
    if (present === '' && value !== undefined && value !== '') await writeControl(join(to, name), value);
  }
}

/** Memory with swap (where the kernel counts it) may never be limited below memory: the order depends on the direction. */
async function writeMemoryLimit(directory: string, bytes: string): Promise<void> {
  const memory = join(directory, 'memory.limit_in_bytes');
  const withSwap = join(directory, 'memory.memsw.limit_in_bytes');
  const write = async (path: string): Promise<boolean> => {
    try {
      await writeControl(path, bytes);
      return true;
    } catch (error) {
      if (isGone(error) || (error as NodeJS.ErrnoException).code === 'EINVAL') return false;
      throw error;
    }
  };
  const first = await write(memory);
  await write(withSwap);
  // Raising a limit: memory was refused while it stood above the old memory-with-swap.
  if (!first) await writeControl(memory, bytes);
}
