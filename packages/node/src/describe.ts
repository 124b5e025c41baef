import { readFile, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { NodeDescription } from '@atoll/contract';
import { readHostMemory } from './pool/memory-pressure.ts';

/** CPU time of the host since it booted, in clock ticks. */
export interface HostCpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Reads the first line of /proc/stat, see proc_stat(5). */
export async function readHostCpuTimes(): Promise<HostCpuTimes> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n', 1);
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, value) => sum + value, 0);
  const [, , , idle = 0, ioWait = 0] = ticks;
  return { busy: total - idle - ioWait, total };
}

/** Percent of all cores that were busy between two readings, 0..100. */
export function cpuPercentBetween(earlier: HostCpuTimes, later: HostCpuTimes): number {
  const total = later.total - earlier.total;
  return total <= 0 ? 0 : Math.round(((later.busy - earlier.busy) / total) * 10_000) / 100;
}

/** The part of a node's description that comes from the host. */
export async function describeHost(
  dataDir: string,
): Promise<Pick<NodeDescription, 'cpuCount' | 'cpuModelName' | 'memoryTotalBytes' | 'memoryUsedBytes' | 'disks'>> {
  const [memory, disk] = await Promise.all([readHostMemory(), describeDisk(dataDir)]);
  const processors = cpus();
  return {
    cpuCount: processors.length,
    cpuModelName: processors[0]?.model ?? 'unknown',
    memoryTotalBytes: memory.totalBytes,
    memoryUsedBytes: memory.totalBytes - memory.availableBytes,
    disks: [disk],
  };
}

async function describeDisk(directory: string): Promise<NodeDescription['disks'][number]> {
  const [stats, mountInfo] = await Promise.all([statfs(directory), readFile('/proc/self/mountinfo', 'utf8')]);
  const totalBytes = stats.blocks * stats.bsize;
  return { ...mountOf(directory, mountInfo), totalBytes, usedBytes: totalBytes - stats.bfree * stats.bsize };
}

/** The mount that holds a path: the longest mount point above it, the last one where several lie on each other. */
export function mountOf(
  path: string,
  mountInfo: string,
): { mountPoint: string; device: string; filesystemType: string } {
  let best = { mountPoint: '/', device: 'unknown', filesystemType: 'unknown' };
  for (const line of mountInfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const mountPoint = left
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
    const [filesystemType = 'unknown', device = 'unknown'] = right.split(' ');
    if (mountPoint === undefined || mountPoint.length < best.mountPoint.length) continue;
    const prefix = mountPoint === '/' ? '/' : `${mountPoint}/`;
    if (path === mountPoint || path.startsWith(prefix)) best = { mountPoint, device, filesystemType };
  }
  return best;
}
