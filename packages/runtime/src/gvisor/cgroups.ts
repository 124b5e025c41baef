import { readFile } from 'node:fs/promises';
import { AtollError } from '@atoll/contract';
import type { GuestLimits, GuestUsage } from '../runtime.ts';
import { openCgroupsV1 } from './cgroups-v1.ts';
import { openCgroupsV2 } from './cgroups-v2.ts';

/**
 * The host control groups of all guests of one runtime: `<parent>/<guest id>` in every hierarchy. We make them, not
 * runsc: so limits, freezing and killing need no runsc call, and they are found and removed whatever became of runsc.
 */
export interface GuestCgroups {
  /** Makes the guest's group with its limits; runsc puts the guest into it. */
  create(id: string, limits: GuestLimits): Promise<void>;
  /** What runsc is told as `linux.cgroupsPath`. */
  pathForRunsc(id: string): string;
  setLimits(id: string, limits: GuestLimits): Promise<void>;
  /** Host process ids in the group; empty when there is no such group. Dead processes are not in it. */
  processes(id: string): Promise<number[]>;
  /** Returns when every process of the group stands still. */
  freeze(id: string): Promise<void>;
  thaw(id: string): Promise<void>;
  isFrozen(id: string): Promise<boolean>;
  /** Ends every process of the group, frozen or not, and returns when they are gone. */
  killAll(id: string): Promise<void>;
  usage(id: string): Promise<GuestUsage>;
  /** Removes the group, which must be empty of processes. Repeating it is not an error. */
  remove(id: string): Promise<void>;
  /** Guests of which a group is there. */
  list(): Promise<string[]>;
  /** Removes the parent when no guest is below it. */
  removeParent(): Promise<void>;
}

/**
 * Host processes and threads a guest may have: a backstop for the host only. gVisor's kernel dies when it cannot make a
 * thread, so the limit that guests meet is the one inside (see `limitGuestProcesses`); a guest process needs two host
 * processes, and the kernel a few hundred threads when all of them are busy.
 */
export function maxHostTasks(maxProcesses: number): string {
  return maxProcesses === 0 ? 'max' : String(maxProcesses * 4 + 1000);
}

/** CPU period of the kernel's bandwidth control in microseconds; quota = cores x period. */
export const CPU_PERIOD_US = 100_000;

/** Opens the host's control groups: v1 where the memory controller is mounted the old way, else v2. */
export async function openCgroups(options: { parent: string }): Promise<GuestCgroups> {
  const { parent } = options;
  if (!/^[a-z0-9-]+$/.test(parent)) throw new AtollError('invalid_request', `"${parent}" cannot name a control group.`);
  const mounts = parseCgroupMounts(await readFile('/proc/self/mountinfo', 'utf8'));
  if (mounts.v1.has('memory')) return openCgroupsV1({ parent, hierarchies: mounts.v1 });
  if (mounts.v2 !== undefined) return openCgroupsV2({ parent, mountPoint: mounts.v2 });
  throw new AtollError('runtime_unsupported', 'The host has no control groups mounted at /sys/fs/cgroup.');
}

/** Where the control groups are mounted: v1 by controller, v2 in one place. Format: proc(5), mountinfo. */
export function parseCgroupMounts(mountInfo: string): { v1: Map<string, string>; v2: string | undefined } {
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of mountInfo.split('\n')) {
    const fields = line.split(' ');
    const mountPoint = fields[4];
    const separator = fields.indexOf('-', 6);
    const type = fields[separator + 1];
    if (mountPoint === undefined || separator < 0) continue;
    if (type === 'cgroup2') v2 ??= mountPoint;
    if (type !== 'cgroup') continue;
    for (const option of (fields[separator + 3] ?? '').split(',')) {
      if (V1_CONTROLLERS.has(option)) v1.set(option, mountPoint);
      else if (option === 'name=systemd') v1.set('systemd', mountPoint);
    }
  }
  return { v1, v2 };
}

/** All that runsc would make a group in by itself if we left it out. */
const V1_CONTROLLERS = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);
