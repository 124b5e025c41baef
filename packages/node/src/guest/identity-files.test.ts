import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { identityFiles, writeIdentityFiles } from './identity-files.ts';

describe('the files that tell a guest who it is', () => {
  let directory: string;
  let rootfs: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-identity-'));
    rootfs = join(directory, 'rootfs');
    await mkdir(rootfs);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const identity = { hostname: 'isandbox', gateway: '169.254.0.1', templateId: 'base', buildId: 'b1' };
  const files = identityFiles(identity);

  it('are readable by all and name the host and its resolver', async () => {
    await writeIdentityFiles(rootfs, files);
    assert.equal(await readFile(join(rootfs, 'etc/hostname'), 'utf8'), 'isandbox\n');
    assert.match(await readFile(join(rootfs, 'etc/hosts'), 'utf8'), /^127\.0\.1\.1 isandbox$/m);
    assert.equal(await readFile(join(rootfs, 'etc/resolv.conf'), 'utf8'), 'nameserver 169.254.0.1\n');
    assert.match(await readFile(join(rootfs, '.e2b'), 'utf8'), /^TEMPLATE_ID=base\nBUILD_ID=b1$/m);
    assert.equal((await stat(join(rootfs, 'etc/hostname'))).mode & 0o777, 0o644);
  });

  it('differ in their machine id', () => {
    const other = identityFiles(identity);
    assert.notEqual(files['etc/machine-id'], other['etc/machine-id']);
  });

  it('replace a link of the template instead of following it', async () => {
    const outside = join(directory, 'outside');
    await writeFile(outside, 'of the host');
    await chmod(outside, 0o600);
    await mkdir(join(rootfs, 'etc'));
    await symlink(outside, join(rootfs, 'etc/resolv.conf'));
    await writeIdentityFiles(rootfs, files);
    assert.equal(await readFile(outside, 'utf8'), 'of the host');
    assert.ok((await lstat(join(rootfs, 'etc/resolv.conf'))).isFile());
  });

  it('are not written through an /etc that is a link', async () => {
    await symlink(directory, join(rootfs, 'etc'));
    await assert.rejects(writeIdentityFiles(rootfs, files), { code: 'sandbox_create_failed' });
    await assert.rejects(stat(join(directory, 'hostname')), { code: 'ENOENT' });
  });
});
