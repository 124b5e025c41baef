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
 * Memory of every sandbox on the host, with 20 of them alive and idle, counted twice. PSS shares every page among the
 * processes that map it, but a kernel that does not count the mappings of each page (CONFIG_NO_PAGE_MAPCOUNT) estimates
 * that for the pages of large folios, too high for guests, whose memory several processes map. What the kernel charges
 * to the control group is exact, but includes the kernel's own memory and files that this sandbox was the first to read.
 */
export async function memory(bench: Bench): Promise<void> {
  const sandboxes = await Promise.all(Array.from({ length: ALIVE }, () => bench.client.create()));
  try {
    await Promise.all(sandboxes.map((sandbox) => bench.client.run(sandbox, 'true')));
    await bench.poolFull();
    const bySandbox = new Map(sandboxes.map((sandbox) => [sandbox.id, 0]));
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const [cgroup, commandLine] = await Promise.all([text(`/proc/${pid}/cgroup`), text(`/proc/${pid}/cmdline`)]);
      const owner = sandboxes.find(({ id }) => cgroup.includes(id) || commandLine.includes(id));
      if (owner === undefined) continue;
      const kib = /^Pss:\s+(\d+) kB$/m.exec(await text(`/proc/${pid}/smaps_rollup`))?.[1];
      bySandbox.set(owner.id, (bySandbox.get(owner.id) ?? 0) + Number(kib ?? 0) / 1_024);
    }
    const value = distribution([...bySandbox.values()]);
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
