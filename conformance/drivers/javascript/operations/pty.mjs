import assert from 'node:assert/strict';
import { eventually, rejection } from '../context.mjs';

const encoder = new TextEncoder();

/** A terminal and everything it has printed. */
async function open(t, options = {}) {
  const sandbox = await t.sandbox();
  const decoder = new TextDecoder();
  const screen = { text: '' };
  const handle = await sandbox.pty.create({
    cols: 80,
    rows: 24,
    timeoutMs: 60_000,
    onData: (bytes) => {
      screen.text += decoder.decode(bytes, { stream: true });
    },
    ...options,
  });
  return { sandbox, handle, screen, type: (text) => sandbox.pty.sendInput(handle.pid, encoder.encode(text)) };
}

export const operations = {
  async 'pty-input'(t) {
    const { handle, screen, type } = await open(t, { cwd: '/tmp', envs: { MARK: 'blue' } });
    await type('echo "is: $MARK $((40+2)) $PWD $TERM"\n');
    await eventually('the answer', () => screen.text.includes('is: blue 42 /tmp xterm-256color'));
    await handle.kill();
  },

  async 'pty-resize'(t) {
    const { sandbox, handle, screen, type } = await open(t);
    await type('stty size\n');
    await eventually('the first size', () => screen.text.includes('24 80'));
    await sandbox.pty.resize(handle.pid, { cols: 132, rows: 43 });
    await type('stty size\n');
    await eventually('the new size', () => screen.text.includes('43 132'));
    await handle.kill();
  },

  async 'pty-connect'(t) {
    const { sandbox, handle, type } = await open(t);
    if (sandbox.pty.connect === undefined) t.notApplicable('this version cannot connect to a terminal');
    let second = '';
    await handle.disconnect();
    const connected = await sandbox.pty.connect(handle.pid, {
      onData: (bytes) => {
        second += new TextDecoder().decode(bytes);
      },
    });
    await type('echo $((6*7))again\n');
    await eventually('the answer on the second connection', () => second.includes('42again'));
    await connected.kill();
  },

  async 'pty-exit'(t) {
    const clean = await open(t);
    await clean.type('exit 0\n');
    assert.equal((await clean.handle.wait()).exitCode, 0);
    const failed = await open(t);
    await failed.type('exit 7\n');
    assert.equal((await rejection(failed.handle.wait())).exitCode, 7);
  },

  async 'pty-kill'(t) {
    const { sandbox, handle } = await open(t);
    assert.equal(await sandbox.pty.kill(handle.pid), true);
    const end = await rejection(handle.wait());
    assert.match(end.error, /signal: killed/);
    assert.equal(await sandbox.pty.kill(handle.pid), false);
  },
};
