import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openCgroups, parseCgroupMounts } from './cgroups.ts';
import { controlProcesses } from './cgroups-v2.ts';

describe('control groups of the host', () => {
  it('are found where they are mounted, by version and controller', () => {
    const hybrid = [
      '30 29 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755',
      '31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd',
      '34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    ].join('\n');
    const { v1, v2 } = parseCgroupMounts(hybrid);
    assert.deepEqual(Object.fromEntries(v1), {
      cpu: '/sys/fs/cgroup/cpu,cpuacct',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
      memory: '/sys/fs/cgroup/memory',
      systemd: '/sys/fs/cgroup/systemd',
    });
    assert.equal(v2, '/sys/fs/cgroup/unified');

    const pure = parseCgroupMounts('30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate');
    assert.equal(pure.v1.size, 0);
    assert.equal(pure.v2, '/sys/fs/cgroup');
  });

  it('take no parent that is a path', async () => {
    await assert.rejects(openCgroups({ parent: '../up' }), /cannot name a control group/);
  });

  it('of version 2 freeze, thaw and end processes, also frozen ones', async (context) => {
    const { v2 } = parseCgroupMounts(await readFile('/proc/self/mountinfo', 'utf8'));
    if (v2 === undefined) {
      context.skip('this machine mounts no control groups of version 2');
      return;
    }
    const root = join(v2, `atoll-test-${process.pid}`);
    await mkdir(join(root, 'guest'), { recursive: true });
    const groups = controlProcesses(root);
    const busy = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
    const ended = once(busy, 'exit');
    try {
      await writeFile(join(root, 'guest/cgroup.procs'), String(busy.pid));
      assert.deepEqual(await groups.processes('guest'), [busy.pid]);
      await groups.freeze('guest');
      assert.equal(await groups.isFrozen('guest'), true);
      const before = await cpuTicks(busy.pid);
      await delay(200);
      assert.equal(await cpuTicks(busy.pid), before);
      await groups.thaw('guest');
      assert.equal(await groups.isFrozen('guest'), false);
      await groups.freeze('guest');
    } finally {
      await groups.killAll('guest');
      await ended;
      await groups.remove('guest');
      await groups.remove('guest');
      assert.deepEqual(await groups.list(), []);
      await groups.removeParent();
    }
    assert.deepEqual(await groups.processes('guest'), []);
  });
});

/** User and system time of a process: fields 14 and 15 of proc(5), /proc/pid/stat. */
async function cpuTicks(pid: number | undefined): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
