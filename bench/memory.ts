import { readdir, readFile } from 'node:fs/promises';
import type { Bench } from './measurement.ts';
import { distribution } from './statistics.ts';

const ALIVE = 20;

/** Proportional memory of every process of a sandbox on the host, with 20 of them alive and idle. */
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
  } finally {
    await Promise.all(sandboxes.map((sandbox) => bench.client.kill(sandbox)));
  }
}

/** A file of /proc; empty when its process has ended meanwhile. */
function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
