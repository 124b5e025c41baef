import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findRunsc, keptRunscPath } from './find.ts';
import { isNewEnough } from './go-toolchain.ts';
import { installRunsc } from './install.ts';
import { judgeRunsc, PINNED_RUNSC } from './pinned.ts';

describe('which runsc is used', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-runsc-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** A program that answers like runsc. */
  async function makeRunsc(path: string, version: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\necho 'runsc version ${version}'\necho 'spec: 1.2.1'\n`, { mode: 0o755 });
  }

  it('takes our build and upstream’s release of the same days', () => {
    assert.equal(judgeRunsc(PINNED_RUNSC.label).fits, true);
    assert.equal(judgeRunsc(`release-${PINNED_RUNSC.release}.0`).fits, true);
    assert.equal(judgeRunsc('release-20231009.0').fits, false);
    assert.equal(judgeRunsc('unknown').fits, false);
  });

  it('refuses Debian’s package by name and says why', () => {
    const verdict = judgeRunsc('0.0~20240729.0-4');
    assert.ok(!verdict.fits);
    assert.match(verdict.reason, /Debian's package \(0\.0~20240729\.0-4\) is too old: no network/);
  });

  it('prefers the one kept, and tells which ones it passed over', async () => {
    const old = join(directory, 'old/runsc');
    const kept = join(directory, 'kept');
    await makeRunsc(old, '0.0~20240729.0-4');
    const without = await findRunsc({ directory: kept, searchPath: dirname(old) });
    assert.ok(without.refused.some((one) => one.path === old && /Debian/.test(one.reason)));

    await makeRunsc(keptRunscPath(kept), PINNED_RUNSC.label);
    const found = await findRunsc({ directory: kept, searchPath: dirname(old) });
    assert.deepEqual(found.runsc, { path: keptRunscPath(kept), version: PINNED_RUNSC.label });
    assert.equal(await installRunsc({ directory: kept, onProgress: () => undefined }), keptRunscPath(kept));
  });

  it('passes over a program that does not run', async () => {
    const broken = join(directory, 'broken/runsc');
    await mkdir(dirname(broken), { recursive: true });
    await writeFile(broken, 'not a program', { mode: 0o755 });
    const { refused } = await findRunsc({ directory: join(directory, 'empty'), searchPath: dirname(broken) });
    assert.ok(refused.some((one) => one.path === broken && one.version === 'unknown'));
  });

  it('builds with Go 1.21 and newer only', () => {
    assert.equal(isNewEnough('go version go1.26.6 linux/amd64'), true);
    assert.equal(isNewEnough('go version go1.21 linux/amd64'), true);
    assert.equal(isNewEnough('go version go1.19.8 linux/amd64'), false);
    assert.equal(isNewEnough(''), false);
  });
});
