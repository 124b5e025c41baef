import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GuestSpec } from '../runtime.ts';
import { planOciSpec } from './oci-spec.ts';

const spec: GuestSpec = {
  id: 'a1',
  rootfs: '/disks/a1/rootfs',
  networkNamespace: '/run/netns/x-1',
  hostname: 'box',
  mounts: [
    { source: '/bundle', destination: '/.atoll', readOnly: true },
    { source: '/volumes/v', destination: '/data', readOnly: false },
  ],
  limits: { cpuCount: 2, memoryMiB: 513, maxProcesses: 100 },
  process: { args: ['/.atoll/envd'], env: ['A=1'], cwd: '/' },
};
const host = { cgroupsPath: '/atoll-x/a1', maxOpenFiles: 20_000 };

describe('the plan of a gVisor guest', () => {
  const plan = planOciSpec(spec, host);

  it('lets set-uid programs gain rights inside, as sudo needs', () => {
    assert.equal(plan.process.noNewPrivileges, false);
    for (const capability of ['CAP_SETUID', 'CAP_SYS_ADMIN', 'CAP_NET_RAW', 'CAP_CHOWN']) {
      assert.ok(plan.process.capabilities.effective.includes(capability), capability);
    }
  });

  it('joins the network that was made for it and no other', () => {
    const network = plan.linux.namespaces.filter((namespace) => namespace.type === 'network');
    assert.deepEqual(network, [{ type: 'network', path: '/run/netns/x-1' }]);
  });

  it('keeps limits out of the spec, where a restore could not change them', () => {
    assert.equal(plan.linux.cgroupsPath, '/atoll-x/a1');
    assert.deepEqual(Object.keys(plan.linux).toSorted(), ['cgroupsPath', 'namespaces']);
  });

  it('gives files in memory half of the memory, and no limit where there is none', () => {
    const shm = (memoryMiB: number): readonly string[] =>
      planOciSpec({ ...spec, limits: { ...spec.limits, memoryMiB } }, host).mounts.find(
        (mount) => mount.destination === '/dev/shm',
      )?.options ?? [];
    assert.ok(shm(513).includes('size=257m'));
    assert.equal(
      shm(0).some((option) => option.startsWith('size=')),
      false,
    );
  });

  it('mounts folders of the host read-only unless asked otherwise', () => {
    const binds = plan.mounts.filter((mount) => mount.type === 'bind');
    assert.deepEqual(
      binds.map(({ source, destination, options }) => [source, destination, options]),
      [
        ['/bundle', '/.atoll', ['rbind', 'ro']],
        ['/volumes/v', '/data', ['rbind', 'rw']],
      ],
    );
  });
});
