import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BuildSummary } from '@atoll/contract';
import { readJsonFile } from '../json-file.ts';
import { runInGuest } from '../testing/guest-command.ts';
import { findLeftovers } from '../testing/leftovers.ts';
import {
  bakeTestBuild,
  newTestPlace,
  openTestNode,
  removeTestPlace,
  TEST_RESOURCES,
  type TestPlace,
} from '../testing/test-node.ts';
import { type BuildManifest, BuildManifestSchema, imageMisfit } from './build-manifest.ts';

describe('a build', () => {
  let place: TestPlace;
  let build: BuildSummary;

  before(async () => {
    place = await newTestPlace();
    const test = await openTestNode(place);
    build = await bakeTestBuild(test.node);
    await test.close({ endSandboxes: true });
  });

  after(() => removeTestPlace(place));

  const manifestPath = () => join(place.dataDir, 'builds', build.buildId, 'manifest.json');

  async function readManifest(): Promise<BuildManifest> {
    const manifest = await readJsonFile(manifestPath(), BuildManifestSchema);
    assert.ok(manifest !== undefined);
    return manifest;
  }

  it('says how its sandboxes start, as measured, and with what its image was taken', async () => {
    const manifest = await readManifest();
    const { bootMs, restoreMs } = manifest.measured;
    assert.ok(bootMs > 0 && restoreMs !== undefined && restoreMs > 0);
    assert.equal(manifest.startMode, restoreMs < bootMs ? 'restore' : 'boot');
    assert.equal(manifest.memory?.runtime, 'gvisor');
    assert.ok((manifest.memory?.files.length ?? 0) > 0);
    assert.deepEqual(manifest.layers[1], `layers/${build.buildId}`);
  });

  it('leaves nothing when it cannot be made', async () => {
    const test = await openTestNode(place);
    try {
      const request = { templateId: 'x', aliases: ['x'], env: {}, user: 'root', workdir: '/' };
      await assert.rejects(test.node.bakeBuild({ ...request, layers: ['/nonexistent/layer'] }));
      assert.deepEqual(await test.node.builds(), [build]);
      assert.deepEqual(await readdir(join(place.dataDir, 'builds')), [build.buildId]);
      assert.deepEqual(await readdir(join(place.dataDir, 'layers')), [build.buildId]);
      assert.deepEqual(await findLeftovers(place), {});
    } finally {
      await test.close({ endSandboxes: true });
    }
  });

  for (const startMode of ['restore', 'boot'] as const) {
    it(`starts sandboxes of their own by ${startMode}`, async () => {
      await writeFile(manifestPath(), JSON.stringify({ ...(await readManifest()), startMode }));
      const test = await openTestNode(place);
      try {
        const script = 'cat /etc/machine-id /proc/sys/kernel/random/uuid; hostname; echo $FROM_BUILD';
        const [one, two] = await Promise.all([test.create(build), test.create(build)]);
        const [left, right] = await Promise.all([one, two].map(({ address }) => runInGuest(address, script)));
        const lines = [left, right].map((result) => result?.stdout.split('\n') ?? []);
        for (let n = 0; n < 3; n += 1) assert.notEqual(lines[0]?.[n], lines[1]?.[n]);
        assert.equal(lines[0]?.[3], 'yes');
      } finally {
        await test.close({ endSandboxes: true });
      }
    });
  }

  it('is booted from its files when its image is damaged', async () => {
    const manifest = await readManifest();
    const [file] = manifest.memory?.files ?? [];
    const path = join(place.dataDir, 'builds', build.buildId, 'memory', file?.name ?? '');
    const whole = await readFile(path);
    await writeFile(manifestPath(), JSON.stringify({ ...manifest, startMode: 'restore' }));
    await writeFile(path, whole.subarray(0, whole.length / 2));
    const test = await openTestNode(place);
    try {
      const { address } = await test.create(build);
      assert.equal((await runInGuest(address, 'echo alive')).stdout, 'alive\n');
    } finally {
      await test.close({ endSandboxes: true });
      await writeFile(path, whole);
    }
  });

  it('names why its image does not fit', async () => {
    const manifest = await readManifest();
    const { memory } = manifest;
    assert.ok(memory !== undefined);
    const { runtime, runtimeVersion, bundleDigest } = memory;
    const here = { runtime, runtimeVersion, bundleDigest };
    assert.equal(imageMisfit(manifest, TEST_RESOURCES, here), undefined);
    assert.equal(imageMisfit(manifest, { ...TEST_RESOURCES, diskMiB: 100 }, here), undefined);
    assert.match(
      imageMisfit(manifest, TEST_RESOURCES, { ...here, runtimeVersion: '2' }) ?? '',
      /needs gvisor .* has gvisor 2/,
    );
    assert.match(imageMisfit(manifest, TEST_RESOURCES, { ...here, bundleDigest: '2' }) ?? '', /guest programs/);
    assert.match(imageMisfit(manifest, { ...TEST_RESOURCES, memoryMiB: 300 }, here) ?? '', /CPU or memory/);
  });

  it('can be started with more memory than it was made with', async () => {
    const test = await openTestNode(place);
    try {
      const { address } = await test.create(build, { resources: { ...TEST_RESOURCES, memoryMiB: 400 } });
      const { stdout } = await runInGuest(address, "awk '/MemTotal/ {print $2}' /proc/meminfo");
      assert.ok(Number(stdout) > 350 * 1024, stdout);
    } finally {
      await test.close({ endSandboxes: true });
    }
  });

  it('is not removed while a sandbox runs from it', async () => {
    const test = await openTestNode(place);
    try {
      const { sandboxId } = await test.create(build);
      await assert.rejects(test.node.removeBuild(build.buildId), { code: 'conflict' });
      await test.node.kill(sandboxId, 'killed');
      await test.node.removeBuild(build.buildId);
      assert.deepEqual(await test.node.builds(), []);
      assert.deepEqual(await readdir(join(place.dataDir, 'layers')), []);
    } finally {
      await test.close({ endSandboxes: true });
    }
  });
});
