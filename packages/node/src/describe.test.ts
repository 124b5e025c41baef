import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuPercentBetween, describeHost, mountOf } from './describe.ts';

describe('the description of a host', () => {
  it('finds the mount that a folder is on', () => {
    const mountInfo = [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '30 22 254:16 / /var/lib rw - xfs /dev/vdb rw',
      '31 22 0:30 / /var/lib\\040x rw - tmpfs tmpfs rw',
    ].join('\n');
    const device = (path: string) => mountOf(path, mountInfo).device;
    assert.equal(device('/var/lib/atoll'), '/dev/vdb');
    assert.equal(device('/var/library'), '/dev/vda');
    assert.equal(device('/var/lib x/y'), 'tmpfs');
    assert.deepEqual(mountOf('/var/lib', mountInfo), {
      mountPoint: '/var/lib',
      device: '/dev/vdb',
      filesystemType: 'xfs',
    });
  });

  it('counts busy time as a share of all time', () => {
    assert.equal(cpuPercentBetween({ busy: 100, total: 1000 }, { busy: 150, total: 1200 }), 25);
    assert.equal(cpuPercentBetween({ busy: 1, total: 1 }, { busy: 1, total: 1 }), 0);
  });

  it('has sizes of memory and disk', async () => {
    const host = await describeHost('/');
    assert.ok(host.memoryTotalBytes > host.memoryUsedBytes && host.memoryUsedBytes > 0);
    const [disk] = host.disks;
    assert.ok(disk !== undefined && disk.totalBytes > disk.usedBytes && disk.usedBytes > 0);
  });
});
