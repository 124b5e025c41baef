import assert from 'node:assert/strict';
import { atLeast, eventually, rejection } from '../context.mjs';

const MEGABYTE = 1_000_000;

export const operations = {
  async 'commands-run'(t) {
    const { commands } = await t.sandbox();
    const result = await commands.run('echo out; echo err >&2');
    assert.equal(result.stdout, 'out\n');
    assert.equal(result.stderr, 'err\n');
    assert.equal(result.exitCode, 0);
    const error = await rejection(commands.run('echo partial; exit 3'));
    assert.equal(error.name, 'CommandExitError');
    assert.equal(error.exitCode, 3);
    assert.equal(error.stdout, 'partial\n');
    assert.equal(error.error, 'exit status 3');
    assert.equal((await rejection(commands.run('no-such-command'))).exitCode, 127);
  },

  async 'commands-context'(t) {
    const { commands } = await t.sandbox();
    const ask = async (command, options) => (await commands.run(command, options)).stdout.trim();
    assert.equal(await ask('echo $A-$B', { envs: { A: '1', B: 'two words' } }), '1-two words');
    assert.equal(await ask('pwd', { cwd: '/tmp' }), '/tmp');
    assert.equal(await ask('whoami'), 'user');
    assert.equal(await ask('pwd'), '/home/user');
    assert.equal(await ask('whoami; id -u; echo $HOME', { user: 'root' }), 'root\n0\n/root');
    assert.equal(await ask('whoami; id -u; echo $HOME', { user: 'user' }), 'user\n1000\n/home/user');
    const missing = await rejection(commands.run('pwd', { cwd: '/no/such/folder' }));
    assert.match(missing.message, /does not exist/);
  },

  async 'commands-background'(t) {
    const { commands } = await t.sandbox();
    const handle = await commands.run('sleep 100 && echo never', { background: true, envs: { MARK: t.run } });
    assert.ok(handle.pid > 0);
    const listed = (await commands.list()).find((process) => process.pid === handle.pid);
    assert.ok(listed, 'the running command is listed');
    assert.deepEqual(listed.args, ['-l', '-c', 'sleep 100 && echo never']);
    assert.equal(listed.envs.MARK, t.run);
    const connected = await commands.connect(handle.pid);
    assert.equal(connected.pid, handle.pid);
    assert.equal(await commands.kill(handle.pid), true);
    const end = await rejection(connected.wait());
    assert.equal(end.name, 'CommandExitError');
    assert.match(end.error, /signal: killed/);
    await rejection(handle.wait());
    assert.equal(await commands.kill(4_000_000), false);
  },

  async 'commands-stdin'(t) {
    const { commands } = await t.sandbox();
    const handle = await commands.run('cat', { background: true, stdin: true });
    await commands.sendStdin(handle.pid, 'first\n');
    await commands.sendStdin(handle.pid, 'zweite ü\n');
    if (commands.closeStdin === undefined) {
      await eventually('the echo', () => handle.stdout === 'first\nzweite ü\n');
      await handle.kill();
      return;
    }
    await commands.closeStdin(handle.pid);
    const result = await handle.wait();
    assert.equal(result.stdout, 'first\nzweite ü\n');
    assert.equal(result.exitCode, 0);
    assert.equal((await commands.run('cat; echo end', { timeoutMs: 5_000 })).stdout, 'end\n');
  },

  'commands-stream-input': (t) => t.notApplicable('only Python has it'),

  async 'commands-timeout'(t) {
    const { commands } = await t.sandbox();
    const started = Date.now();
    const error = await rejection(commands.run('sleep 33.125', { timeoutMs: 1_000 }));
    assert.equal(error.name, 'TimeoutError');
    assert.ok(Date.now() - started < 5_000, 'the time limit holds');
    await eventually('the end of the command', async () => {
      const seen = await commands.run('pgrep -f "[s]leep 33.125" || echo gone');
      return seen.stdout === 'gone\n';
    });
    assert.equal((await commands.run('sleep 2; echo done', { timeoutMs: 0 })).stdout, 'done\n');
  },

  async 'commands-large-output'(t) {
    const { commands } = await t.sandbox();
    const result = await commands.run(`head -c ${10 * MEGABYTE} /dev/zero | tr '\\0' x`);
    assert.equal(result.stdout.length, 10 * MEGABYTE);
    assert.match(result.stdout, /^x+$/);
  },

  async 'commands-unicode'(t) {
    if (!atLeast(t.version, '2.30.0')) t.notApplicable('this version decodes each chunk by itself');
    const { commands } = await t.sandbox();
    const result = await commands.run(`python3 -c "print('€🙂ü' * 60000, end='')"`);
    assert.ok(result.stdout === '€🙂ü'.repeat(60_000), 'every character is whole');
    const split = await commands.run(`printf '\\xf0\\x9f'; sleep 0.3; printf '\\x99\\x82'`);
    assert.equal(split.stdout, '🙂');
  },

  async 'commands-callbacks'(t) {
    const { commands } = await t.sandbox();
    const seen = [];
    const result = await commands.run('echo one; sleep 0.7; echo two >&2; sleep 0.7; echo three', {
      onStdout: (text) => {
        seen.push(['out', text, Date.now()]);
      },
      onStderr: (text) => {
        seen.push(['err', text, Date.now()]);
      },
    });
    assert.deepEqual(
      seen.map(([stream, text]) => `${stream} ${text}`),
      ['out one\n', 'err two\n', 'out three\n'],
    );
    assert.ok(seen[2][2] - seen[0][2] > 1_000, 'output came as it was made');
    assert.equal(result.stdout, 'one\nthree\n');
  },
};
