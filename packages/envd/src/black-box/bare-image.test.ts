import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Filesystem, Process } from '@atoll/contract/envd';
import { dynamicLoaderOf } from '../elf.ts';
import { call, stream } from './connect-client.ts';
import { startGuest } from './guest.ts';

const SHELL = '/bin/busybox';

test('an image that has nothing but a static shell runs commands, terminals and file calls', {
  skip: whyNot(),
}, async (context) => {
  const guest = await startGuest({ shell: SHELL });
  context.after(() => guest.close());
  const run = async (message: { cmd: string; args: string[] }, pty?: { size: { cols: number; rows: number } }) => {
    let text = '';
    for await (const { event } of stream(guest, Process.method.start, { process: message, ...(pty && { pty }) })) {
      if (event?.event.case !== 'data') continue;
      text += Buffer.from(event.event.value.output.value ?? []).toString('utf8');
    }
    return text;
  };
  assert.equal(await run({ cmd: '/bin/sh', args: ['-c', 'echo $USER $HOME'] }), 'root /root\n');
  assert.match(await run({ cmd: 'missing', args: [] }), /not found/);
  assert.equal(
    await run({ cmd: '/bin/sh', args: ['-c', 'test -t 0 && echo terminal'] }, { size: { cols: 80, rows: 24 } }),
    'terminal\r\n',
  );
  const { entry } = await call(guest, Filesystem.method.stat, { path: '/bin/sh' });
  assert.equal(entry?.owner, 'root');
});

function whyNot(): string | false {
  if (!existsSync(SHELL)) return `this machine has no ${SHELL}`;
  try {
    dynamicLoaderOf(readFileSync(SHELL));
    return `${SHELL} of this machine is not static`;
  } catch {
    return false;
  }
}
