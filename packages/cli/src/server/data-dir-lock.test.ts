import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { dataDirReleased, lockDataDir } from './data-dir-lock.ts';
import { isRunning, ownIdentity, startTicksOf } from './process-identity.ts';

const folder = mkdtempSync(join(tmpdir(), 'atoll-lock-'));
after(() => rmSync(folder, { recursive: true }));

test('a data directory is held once, and again after it was let go', async () => {
  const lock = await lockDataDir(folder);
  await assert.rejects(lockDataDir(folder), /Another Atoll holds the data directory/);
  await lock.release();
  await (await lockDataDir(folder)).release();
});

test('waiting for a data directory ends when its holder lets go, is killed, or the deadline passes', async () => {
  await dataDirReleased(folder, AbortSignal.timeout(1000));
  const program = `import('${import.meta.dirname}/data-dir-lock.ts').then(({ lockDataDir }) => lockDataDir('${folder}'))
    .then(() => { console.log('held'); setInterval(() => {}, 1000); });`;
  const holder = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  await assert.rejects(dataDirReleased(folder, AbortSignal.timeout(100)), { name: 'TimeoutError' });
  const released = dataDirReleased(folder, AbortSignal.timeout(5000));
  holder.kill('SIGKILL');
  await released;
  await (await lockDataDir(folder)).release();
});

test('a process is told from a later one with the same number by its start', () => {
  const own = ownIdentity();
  assert.ok(isRunning(own));
  assert.ok(!isRunning({ ...own, startTicks: own.startTicks - 1 }));
  assert.equal(startTicksOf(2 ** 22 + 1), undefined);
});
