import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { type OwnedAtoll, startAtoll } from './atoll.ts';
import { PlainApi, type Sandbox } from './plain-http.ts';

const MEMORY_MIB = 256;
const DISK_MIB = 300;
const MEBIBYTE = 1024 * 1024;
/** What a guest may cost the host's disk above its own limit: file-system structures and logs. */
const DISK_TOLERANCE_MIB = 100;

let atoll: OwnedAtoll;
let api: PlainApi;

before(async () => {
  atoll = await startAtoll({
    address: '127.0.0.80',
    settings: { 'memory-mib': String(MEMORY_MIB), 'disk-mib': String(DISK_MIB), 'cpu-count': '1', 'pool-size': '1' },
  });
  api = new PlainApi(atoll);
});

after(async () => {
  await atoll?.remove();
});

/** A sandbox for one test; it is killed whatever happens. */
async function withSandbox(work: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  const sandbox = await api.create({ timeout: 300 });
  try {
    await work(sandbox);
  } finally {
    await api.kill(sandbox);
  }
}

async function assertAnswers(sandbox: Sandbox): Promise<void> {
  assert.equal((await api.run(sandbox, 'echo alive')).stdout, 'alive\n');
}

test('the guest sees the limits it was given', () =>
  withSandbox(async (sandbox) => {
    const { stdout } = await api.run(
      sandbox,
      "awk '/MemTotal/{print $2}' /proc/meminfo; df -m / | awk 'NR==2{print $2}'",
    );
    const [memoryKiB, diskMiB] = stdout.trim().split('\n').map(Number);
    assert.ok(memoryKiB !== undefined && Math.abs(memoryKiB / 1_024 - MEMORY_MIB) < 32, `MemTotal ${memoryKiB} KiB`);
    assert.ok(diskMiB !== undefined && diskMiB > DISK_MIB / 2 && diskMiB <= DISK_MIB, `disk of ${diskMiB} MiB`);
    const info = (await api.call('GET', `/sandboxes/${sandbox.sandboxID}`)).body;
    assert.deepEqual([info.cpuCount, info.memoryMB, info.diskSizeMB], [1, MEMORY_MIB, DISK_MIB]);
  }));

test('a fork bomb stays in its sandbox, which answers again when the bomb is killed', () =>
  withSandbox(async (sandbox) => {
    const neighbour = await api.create();
    const bomb = await api.run(
      sandbox,
      'timeout -s KILL 5 bash -c ":(){ :|:& };:" >/dev/null 2>&1; pkill -KILL -u user -f "[:]" ; echo over',
      'root',
    );
    assert.match(bomb.stdout, /over/);
    const started = Date.now();
    await assertAnswers(neighbour);
    assert.ok(Date.now() - started < 5_000, 'a neighbour is not starved');
    await api.kill(neighbour);
    assert.equal((await api.call('GET', '/health')).status, 200);
  }));

test('a command that takes more memory than there is ends with 137, is reported as out of memory, and the sandbox lives', () =>
  withSandbox(async (sandbox) => {
    const ended = await api.run(
      sandbox,
      `python3 -c "x = bytearray(${MEMORY_MIB * 4} * 1024 * 1024)
for i in range(0, len(x), 4096): x[i] = 1"`,
    );
    assert.notEqual(ended.exitCode, 0);
    assert.match(`${ended.stdout}${ended.stderr}${ended.error}`, /memory|137|killed/i);
    const logs = await api.call('GET', `/v2/sandboxes/${sandbox.sandboxID}/logs?direction=forward`);
    const alive = (await api.call('GET', `/sandboxes/${sandbox.sandboxID}`)).status === 200;
    if (alive) {
      await assertAnswers(sandbox);
      assert.match(logs.text, /memory|oom/i, 'the log says what happened');
    } else {
      assert.match((await api.call('GET', `/sandboxes/${sandbox.sandboxID}`)).text, /memory|oom/i);
    }
  }));

test('a full disk is ENOSPC in the guest and 507 at an upload, and the host keeps its space', () =>
  withSandbox(async (sandbox) => {
    const free = async (): Promise<number> => {
      const { bavail, bsize } = await statfs(atoll.dataDir);
      return (bavail * bsize) / MEBIBYTE;
    };
    const before = await free();
    const filled = await api.run(
      sandbox,
      `dd if=/dev/urandom of=/home/user/fill bs=1M count=${DISK_MIB * 2} 2>&1; echo`,
    );
    assert.match(filled.stdout, /No space left on device/);
    const upload = await api.upload(sandbox, '/home/user/more', new Uint8Array(8 * MEBIBYTE).fill(7));
    assert.equal(upload.status, 507, upload.text);
    assert.ok(before - (await free()) < DISK_MIB + DISK_TOLERANCE_MIB, 'the host lost no more than the limit');
    await api.run(sandbox, 'rm /home/user/fill');
    await assertAnswers(sandbox);
    assert.equal((await api.upload(sandbox, '/home/user/more', new Uint8Array(MEBIBYTE))).status, 200);
  }));

test('a busy loop gets the cores of its sandbox and no more', () =>
  withSandbox(async (sandbox) => {
    const { stdout } = await api.run(
      sandbox,
      'for i in 1 2 3 4; do timeout 3 sh -c "while :; do :; done" & done; s=$(date +%s%N); wait; e=$(date +%s%N); times | tail -1; echo $(( (e - s) / 1000000 ))',
    );
    const cpu = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s/.exec(stdout)?.slice(1).map(Number) ?? [];
    const [userMinutes = 0, userSeconds = 0, systemMinutes = 0, systemSeconds = 0] = cpu;
    const used = (userMinutes + systemMinutes) * 60 + userSeconds + systemSeconds;
    assert.ok(used < 4.5, `four loops of 3 s on one core used ${used} s`);
  }));

test('limits that the caller names are honoured or refused', async () => {
  const sandbox = await api.create({ memoryMB: 128, cpuCount: 2 });
  const info = (await api.call('GET', `/sandboxes/${sandbox.sandboxID}`)).body;
  assert.deepEqual([info.memoryMB, info.cpuCount], [128, 2]);
  await api.kill(sandbox);
  for (const wrong of [
    { memoryMB: 1 },
    { memoryMB: 100_000_000 },
    { cpuCount: 0 },
    { cpuCount: 10_000 },
    { diskSizeMB: -1 },
  ])
    assert.equal(
      (await api.call('POST', '/v2/sandboxes', { templateID: 'base', ...wrong })).status,
      400,
      JSON.stringify(wrong),
    );
});
