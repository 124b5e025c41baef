import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './measurement.ts';
import { distribution } from './statistics.ts';

const ALIVE = 20;

/** Where the memory of control groups is counted, and the file with the count: version 1, version 2. */
const CHARGES = [
  { root: '/sys/fs/cgroup/memory', file: 'memory.usage_in_bytes' },
  { root: '/sys/fs/cgroup', file: 'memory.current' },
] as const;

/**
 * Memory of every sandbox on the host, with 20 of them alive and idle, counted twice: PSS shares every page among the
 * address spaces that map it; what the kernel charges to the control group includes the kernel's own memory and the
 * files that this sandbox was the first to read, but nothing that others read before.
 */
export async function memory(bench: Bench): Promise<void> {
  const sandboxes = await Promise.all(Array.from({ length: ALIVE }, () => bench.client.create()));
  try {
    await Promise.all(sandboxes.map((sandbox) => bench.client.run(sandbox, 'true')));
    await bench.poolFull();
    const spaces = new Map(sandboxes.map(({ id }) => [id, new Set<string>()]));
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const [cgroup, commandLine] = await Promise.all([text(`/proc/${pid}/cgroup`), text(`/proc/${pid}/cmdline`)]);
      const owner = sandboxes.find(({ id }) => cgroup.includes(id) || commandLine.includes(id));
      // A guest program is several processes on the host with one address space, of which each shows all the memory.
      if (owner !== undefined) spaces.get(owner.id)?.add(await text(`/proc/${pid}/smaps_rollup`));
    }
    const bySandbox = [...spaces.values()].map((rollups) =>
      [...rollups].reduce((sum, rollup) => sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) / 1_024, 0),
    );
    const value = distribution(bySandbox);
    bench.report({ name: `memory of an idle sandbox (PSS), ${ALIVE} alive`, unit: 'MiB', value, aim: '<= 20 MB' });
    const charges = await Promise.all(sandboxes.map(({ id }) => chargedMiB(id)));
    const charged = distribution(charges.filter((charge) => charge !== undefined));
    bench.report({
      name: `memory of an idle sandbox (charge), ${ALIVE} alive`,
      unit: 'MiB',
      value: charged,
    });
  } finally {
    await Promise.all(sandboxes.map((sandbox) => bench.client.kill(sandbox)));
  }
}

/** What the kernel charges to a sandbox; undefined when its control group is not found. */
async function chargedMiB(id: string): Promise<number | undefined> {
  for (const { root, file } of CHARGES) {
    // One level of groups is the instances', the next one the sandboxes'.
    for (const instance of await readdir(root).catch(() => [])) {
      if (!instance.startsWith('atoll-')) continue;
      const bytes = await text(join(root, instance, id, file));
      if (bytes !== '') return Number(bytes) / 1_024 / 1_024;
    }
  }
  return undefined;
}

/** A file of the kernel; empty when its process has ended meanwhile. */
function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
