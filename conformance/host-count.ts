import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { OwnedAtoll } from './atoll.ts';

const run = promisify(execFile);

/** What one instance has on the host, counted by the names that it gives to everything it makes. */
export interface HostCount {
  readonly mounts: number;
  readonly namespaces: number;
  readonly links: number;
  readonly cgroups: number;
  readonly nftLines: number;
  readonly loops: number;
  readonly processes: number;
  /** Open files of the server's process. */
  readonly openFiles: number;
  /** KiB that the data directory takes on the disk. */
  readonly diskKiB: number;
}

type Named = Pick<OwnedAtoll, 'dataDir' | 'instance' | 'pid'>;

/** Counts now. Nothing there counts as zero. */
export async function countHost(atoll: Named): Promise<HostCount> {
  const { dataDir, instance, pid } = atoll;
  const mounts = await readFile('/proc/mounts', 'utf8');
  const namespaces = await readdir('/run/netns').catch(() => []);
  const links = await readdir('/sys/class/net');
  const [rules, loops, disk] = await Promise.all([
    rulesOf(instance),
    output('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']),
    output('du', ['--summarize', '--one-file-system', '--block-size=1K', dataDir]),
  ]);
  return {
    mounts: mounts.split('\n').filter((line) => line.includes(dataDir)).length,
    namespaces: namespaces.filter((name) => name.startsWith(`${instance}-`)).length,
    links: links.filter((name) => name.startsWith(`${instance}h`)).length,
    cgroups: (await cgroupsOf(instance)).length,
    nftLines: rules,
    loops: loops.split('\n').filter((line) => line.includes(dataDir)).length,
    processes: (await processesOf(atoll)).length,
    openFiles: pid === undefined ? 0 : (await readdir(`/proc/${pid}/fd`).catch(() => [])).length,
    diskKiB: Number(disk.split('\t')[0] ?? 0),
  };
}

/** Lines of the instance's firewall tables, of every family. */
async function rulesOf(instance: string): Promise<number> {
  const tables = (await output('nft', ['list', 'tables']))
    .split('\n')
    .filter((line) => line.endsWith(`atoll_${instance}`));
  const lists = await Promise.all(tables.map((line) => output('nft', ['list', ...line.split(' ')])));
  return lists
    .join('\n')
    .split('\n')
    .filter((line) => line.trim() !== '').length;
}

const CGROUPS = '/sys/fs/cgroup';

/** The sandboxes that have a cgroup in any hierarchy, pool members included, whichever version the host has. */
export async function cgroupsOf(instance: string): Promise<string[]> {
  const parents = [CGROUPS, ...(await readdir(CGROUPS)).map((name) => `${CGROUPS}/${name}`)];
  const lists = await Promise.all(
    parents.map((parent) => readdir(`${parent}/atoll-${instance}`, { withFileTypes: true }).catch(() => [])),
  );
  return [
    ...new Set(
      lists
        .flat()
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name),
    ),
  ];
}

/** How many sandboxes are frozen: those that wait in the pool. */
export async function countFrozen(instance: string): Promise<number> {
  const sandboxes = await cgroupsOf(instance);
  const states = await Promise.all(
    sandboxes.map(async (id) => {
      const first = await readFile(`${CGROUPS}/freezer/atoll-${instance}/${id}/freezer.state`, 'utf8').catch(() => '');
      const second = await readFile(`${CGROUPS}/atoll-${instance}/${id}/cgroup.events`, 'utf8').catch(() => '');
      return first.startsWith('FROZEN') || second.includes('frozen 1');
    }),
  );
  return states.filter(Boolean).length;
}

/** Process ids that belong to the instance: its server and what runs in its cgroups or on its data directory. */
export async function processesOf({ dataDir, instance }: Pick<Named, 'dataDir' | 'instance'>): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const [commandLine, cgroup] = await Promise.all(
      ['cmdline', 'cgroup'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    if (commandLine?.includes(dataDir) || cgroup?.includes(`atoll-${instance}/`)) found.push(Number(name));
  }
  return found;
}

/** What a program prints; nothing when it fails, because what it was asked about is not there. */
async function output(command: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(command, [...args], { timeout: 20_000, maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : '';
  }
}
