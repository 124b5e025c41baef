import { readFile } from 'node:fs/promises';

/** Memory of the host in bytes. */
export interface HostMemory {
  readonly totalBytes: number;
  /** What can be had without swapping: free memory and page cache. */
  readonly availableBytes: number;
}

/** Reads the kernel's own estimate, see proc_meminfo(5). */
export async function readHostMemory(): Promise<HostMemory> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable') };
}
