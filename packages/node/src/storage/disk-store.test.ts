import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AtollError } from '@atoll/contract';
import { pino } from 'pino';
import { openDiskStore } from './disk-store.ts';
import type { DiskStore } from './disks.ts';
import { runHostTool } from './host-tool.ts';
import { readLoopDevices, readMounts } from './mount-table.ts';

const MIB = 1024 * 1024;
const logger = pino({ level: 'silent' });

describe('the disk store', () => {
  let directory: string;
  let disksDir: string;
  let layers: string[];
  let disks: DiskStore;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-disks-'));
    disksDir = join(directory, 'disks');
    layers = [await makeLayer('lower', 'lower'), await makeLayer('upper', 'upper')];
    disks = await openDiskStore({ directory: disksDir, logger });
  });
  after(async () => {
    for (const id of await disks.list()) await disks.destroy(id);
    await rm(directory, { recursive: true, force: true });
  });

  async function makeLayer(name: string, content: string): Promise<string> {
    const path = join(directory, 'layers', name);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'shared'), content);
    await writeFile(join(path, `only-${name}`), content);
    return path;
  }

  async function assertNothingLeft(): Promise<void> {
    assert.deepEqual(await disks.list(), []);
    assert.deepEqual(
      (await readMounts()).filter((mount) => mount.mountPoint.startsWith(directory)),
      [],
    );
    assert.deepEqual(
      [...(await readLoopDevices()).values()].filter((file) => file.startsWith(directory)),
      [],
    );
  }

  it('stacks a writable upper on the layers, the last one on top, and leaves the layers alone', async () => {
    const disk = await disks.create('stack', { layers, sizeMiB: 64 });
    assert.equal(await readFile(join(disk.rootfs, 'shared'), 'utf8'), 'upper');
    assert.equal(await readFile(join(disk.rootfs, 'only-lower'), 'utf8'), 'lower');
    await writeFile(join(disk.rootfs, 'shared'), 'changed');
    assert.equal(await readFile(join(disk.upper, 'shared'), 'utf8'), 'changed');
    assert.equal(await readFile(join(directory, 'layers/upper/shared'), 'utf8'), 'upper');
    await disks.destroy('stack');
    await assertNothingLeft();
  });

  it('shows files the node puts into the upper before a guest starts', async () => {
    const disk = await disks.create('prepared', { layers, sizeMiB: 64 });
    await mkdir(join(disk.upper, 'etc'), { recursive: true });
    await writeFile(join(disk.upper, 'etc/hostname'), 'sandbox');
    assert.equal(await readFile(join(disk.rootfs, 'etc/hostname'), 'utf8'), 'sandbox');
    await disks.destroy('prepared');
  });

  it('answers ENOSPC at the limit, harms nobody, and takes writes again after files were deleted', async () => {
    const disk = await disks.create('full', { layers, sizeMiB: 32 });
    const fill = join(disk.rootfs, 'fill');
    await assert.rejects(writeFile(fill, Buffer.alloc(64 * MIB)), { code: 'ENOSPC' });
    const { usedBytes, totalBytes } = await disks.usage('full');
    assert.ok(totalBytes <= 32 * MIB && totalBytes > 24 * MIB, `${totalBytes} bytes in all`);
    assert.ok(usedBytes > 0.95 * totalBytes, `${usedBytes} bytes used of ${totalBytes}`);
    await rm(fill);
    await writeFile(fill, Buffer.alloc(MIB));
    await disks.destroy('full');
  });

  it('takes no room on the host for what is not written', async () => {
    await disks.create('sparse', { layers, sizeMiB: 10 * 1024 });
    const { blocks } = await stat(join(disksDir, 'sparse/disk.img'));
    assert.ok(blocks * 512 < 2 * MIB, `${blocks * 512} bytes`);
    const { totalBytes } = await disks.usage('sparse');
    assert.ok(totalBytes > 9.5 * 1024 * MIB, `${totalBytes} bytes usable of 10 GiB`);
    await disks.destroy('sparse');
  });

  it('makes and removes several at once', async () => {
    const ids = Array.from({ length: 8 }, (_, index) => `many${index}`);
    const made = await Promise.all(ids.map((id) => disks.create(id, { layers, sizeMiB: 64 })));
    await Promise.all(made.map((disk, index) => writeFile(join(disk.rootfs, 'own'), String(index))));
    for (const [index, disk] of made.entries()) {
      assert.equal(await readFile(join(disk.rootfs, 'own'), 'utf8'), String(index));
    }
    assert.deepEqual(await disks.list(), ids);
    await Promise.all(ids.map((id) => disks.destroy(id)));
    await assertNothingLeft();
  });

  it('refuses a second disk of the same sandbox and leaves the first alone', async () => {
    const disk = await disks.create('twice', { layers, sizeMiB: 64 });
    await assert.rejects(
      disks.create('twice', { layers, sizeMiB: 64 }),
      (error: AtollError) => error.code === 'conflict',
    );
    assert.equal(await readFile(join(disk.rootfs, 'shared'), 'utf8'), 'upper');
    await disks.destroy('twice');
  });

  it('undoes everything when the overlay cannot be mounted', async () => {
    await assert.rejects(disks.create('broken', { layers: [join(directory, 'no-such-layer')], sizeMiB: 64 }));
    await assertNothingLeft();
  });

  it('refuses ids that are not ids, stacks without layers and disks without room', async () => {
    const invalid = (error: AtollError): boolean => error.code === 'invalid_request';
    assert.throws(() => disks.create('../out', { layers, sizeMiB: 64 }), invalid);
    assert.throws(() => disks.destroy('..'), invalid);
    await assert.rejects(disks.create('none', { layers: [], sizeMiB: 64 }), invalid);
    await assert.rejects(disks.create('tiny', { layers, sizeMiB: 1 }), invalid);
    await assertNothingLeft();
  });

  it('destroys what is not there without an error, and twice at once', async () => {
    await disks.destroy('never');
    await disks.create('gone', { layers, sizeMiB: 64 });
    await Promise.all([disks.destroy('gone'), disks.destroy('gone')]);
    await assertNothingLeft();
    await assert.rejects(disks.usage('gone'), (error: AtollError) => error.code === 'sandbox_not_found');
  });

  it('says that a disk is in use instead of deleting below a running program', async () => {
    const disk = await disks.create('busy', { layers, sizeMiB: 64 });
    const holder = runHostTool('sleep', ['3'], { cwd: disk.rootfs });
    await assert.rejects(disks.destroy('busy'), /still in use/);
    assert.equal(await readFile(join(disk.rootfs, 'shared'), 'utf8'), 'upper');
    await holder;
    await disks.destroy('busy');
    await assertNothingLeft();
  });

  it('takes over what an earlier process mounted', async () => {
    const made = await disks.create('adopted', { layers, sizeMiB: 64 });
    await writeFile(join(made.rootfs, 'kept'), 'yes');
    const successor = await openDiskStore({ directory: disksDir, logger });
    const disk = await successor.adopt('adopted');
    assert.deepEqual(disk, made);
    assert.equal(await readFile(join(made.rootfs, 'kept'), 'utf8'), 'yes');
    assert.ok((await successor.usage('adopted')).usedBytes > 0);
    await successor.destroy('adopted');
    assert.equal(await successor.adopt('adopted'), undefined);
    await assertNothingLeft();
  });

  it('finds and removes what a crash left at any step', async () => {
    // 1. Only the folder and an empty image.
    await mkdir(join(disksDir, 'crash1'));
    await writeFile(join(disksDir, 'crash1/disk.img'), '');
    // 2. The image mounted, no overlay yet.
    await disks.create('crash2', { layers, sizeMiB: 64 });
    await runHostTool('umount', [join(disksDir, 'crash2/rootfs')]);
    // 3. A loop device that no mount holds.
    await mkdir(join(disksDir, 'crash3'));
    await writeFile(join(disksDir, 'crash3/disk.img'), Buffer.alloc(MIB));
    const device = (await runHostTool('losetup', ['-f', '--show', join(disksDir, 'crash3/disk.img')])).trim();

    assert.deepEqual(await disks.list(), ['crash1', 'crash2', 'crash3']);
    for (const id of await disks.list()) {
      assert.equal(await disks.adopt(id), undefined);
      await disks.destroy(id);
    }
    assert.equal((await readLoopDevices()).has(device), false);
    await assertNothingLeft();
  });
});
