import assert from 'node:assert/strict';

export const operations = {
  async 'base-tools'(t) {
    const { commands } = await t.sandbox();
    const tools = ['bash', 'python3', 'pip', 'node', 'npm', 'git', 'curl', 'jq', 'ip', 'ps', 'sudo'];
    const { stdout } = await commands.run(`for t in ${tools.join(' ')}; do command -v $t >/dev/null || echo $t; done`);
    assert.equal(stdout, '', `missing: ${stdout}`);
    const venv = await commands.run('python3 -m venv --without-pip /tmp/venv && /tmp/venv/bin/python -c "print(1+1)"');
    assert.equal(venv.stdout, '2\n');
    assert.equal((await commands.run('node -e "console.log(6*7)"')).stdout, '42\n');
    assert.equal((await commands.run(`echo '{"a":[1,2]}' | jq -c .a`)).stdout, '[1,2]\n');
  },

  async 'base-sudo'(t) {
    const { commands } = await t.sandbox();
    assert.equal((await commands.run('sudo whoami')).stdout, 'root\n');
    assert.equal((await commands.run('sudo -n id -u', { user: 'user' })).stdout, '0\n');
  },

  async 'base-environment'(t) {
    const sandbox = await t.sandbox();
    const { templateId } = await sandbox.getInfo();
    const { stdout } = await sandbox.commands.run(
      'echo $E2B_SANDBOX $E2B_SANDBOX_ID $E2B_TEMPLATE_ID; cd /run/e2b; cat .E2B_SANDBOX .E2B_SANDBOX_ID .E2B_TEMPLATE_ID',
    );
    const [variables, ...files] = stdout.trim().split('\n');
    assert.equal(variables, `true ${sandbox.sandboxId} ${templateId}`);
    assert.equal(files.join(''), `true${sandbox.sandboxId}${templateId}`);
  },
};
