import assert from 'node:assert/strict';

const AUTHOR = { authorName: 'Ada', authorEmail: 'ada@example.com' };

/** A repository with one commit. */
async function repository(t, name) {
  const sandbox = await t.sandbox();
  if (sandbox.git === undefined) t.notApplicable('this version has no git helpers');
  const path = `/home/user/git-${name}-${Date.now()}`;
  await sandbox.git.init(path, { initialBranch: 'main' });
  await sandbox.files.write(`${path}/readme.md`, '# hello\n');
  await sandbox.git.add(path);
  await sandbox.git.commit(path, 'Begin "here"', AUTHOR);
  return { path, git: sandbox.git, files: sandbox.files };
}

export const operations = {
  async 'git-commit'(t) {
    const { path, git, files } = await repository(t, 'commit');
    assert.equal((await git.status(path)).isClean, true);
    await files.write(`${path}/readme.md`, '# changed\n');
    const status = await git.status(path);
    assert.equal(status.currentBranch, 'main');
    assert.equal(status.isClean, false);
    assert.equal(status.fileStatus[0]?.name, 'readme.md');
  },

  async 'git-branches'(t) {
    const { path, git } = await repository(t, 'branches');
    await git.createBranch(path, 'feature/x');
    const branches = await git.branches(path);
    assert.equal(branches.currentBranch, 'feature/x');
    assert.deepEqual([...branches.branches].sort(), ['feature/x', 'main']);
    await git.checkoutBranch(path, 'main');
    await git.deleteBranch(path, 'feature/x');
    assert.deepEqual((await git.branches(path)).branches, ['main']);
  },

  async 'git-clone'(t) {
    const { path, git, files } = await repository(t, 'clone');
    await git.clone(`file://${path}`, { path: `${path}-copy`, depth: 1 });
    assert.equal(await files.read(`${path}-copy/readme.md`), '# hello\n');
    assert.equal(await git.remoteGet(`${path}-copy`, 'origin'), `file://${path}`);
  },
};
