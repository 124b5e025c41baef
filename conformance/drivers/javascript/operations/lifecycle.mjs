import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, rejection } from '../context.mjs';

const UNKNOWN_SANDBOX = 'i0000000000000000000';

export const operations = {
  async create(t) {
    const sandbox = await t.fresh();
    assert.match(sandbox.sandboxId, /^[a-z0-9]+$/);
    const result = await sandbox.commands.run('echo hello');
    assert.equal(result.stdout, 'hello\n');
    assert.equal(result.exitCode, 0);
    await sandbox.kill();
  },

  async 'create-options'(t) {
    const metadata = { conformance: t.run, 'odd key': 'a=b&c %20 ü' };
    const before = Date.now();
    const sandbox = await t.fresh({ metadata, envs: { GREETING: 'grüezi' }, timeoutMs: 200_000 });
    const info = await t.sdk.Sandbox.getInfo(sandbox.sandboxId);
    assert.deepEqual(info.metadata, metadata);
    const seconds = (info.endAt.getTime() - before) / 1000;
    assert.ok(seconds > 190 && seconds < 215, `deadline in ${seconds} s`);
    assert.equal((await sandbox.commands.run('echo -n $GREETING')).stdout, 'grüezi');
    await sandbox.kill();
  },

  async connect(t) {
    const sandbox = await t.sandbox();
    await sandbox.files.write('/home/user/connect.txt', 'seen');
    const same = await t.sdk.Sandbox.connect(sandbox.sandboxId, { timeoutMs: 600_000 });
    assert.equal(same.sandboxId, sandbox.sandboxId);
    assert.equal(await same.files.read('/home/user/connect.txt'), 'seen');
    assert.equal((await same.commands.run('echo again')).stdout, 'again\n');
  },

  async list(t) {
    const tag = `${t.run}-list ü&=`;
    const sandbox = await t.fresh({ metadata: { tag } });
    const page = await t.sdk.Sandbox.list({ query: { metadata: { tag }, state: ['running'] } }).nextItems();
    assert.deepEqual(
      page.map((item) => item.sandboxId),
      [sandbox.sandboxId],
    );
    assert.equal(page[0].state, 'running');
    assert.equal(page[0].metadata.tag, tag);
    const none = await t.sdk.Sandbox.list({ query: { metadata: { tag }, state: ['paused'] } }).nextItems();
    assert.deepEqual(none, []);
    await sandbox.kill();
  },

  async 'list-paging'(t) {
    const tag = `${t.run}-paging`;
    const sandboxes = await Promise.all([1, 2, 3].map(() => t.fresh({ metadata: { tag } })));
    const paginator = t.sdk.Sandbox.list({ query: { metadata: { tag } }, limit: 2 });
    const first = await paginator.nextItems();
    assert.equal(first.length, 2);
    assert.equal(paginator.hasNext, true);
    const second = await paginator.nextItems();
    assert.equal(second.length, 1);
    assert.equal(paginator.hasNext, false);
    const seen = [...first, ...second].map((item) => item.sandboxId).sort();
    assert.deepEqual(seen, sandboxes.map((sandbox) => sandbox.sandboxId).sort());
    await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
  },

  async info(t) {
    const sandbox = await t.sandbox();
    const info = await sandbox.getInfo();
    assert.equal(info.sandboxId, sandbox.sandboxId);
    assert.equal(info.state, 'running');
    assert.equal(info.name, 'base');
    assert.ok(info.cpuCount >= 1 && info.memoryMB >= 128);
    assert.ok(info.startedAt instanceof Date && info.endAt > info.startedAt);
    assert.match(info.envdVersion, /^\d+\.\d+\.\d+$/);
  },

  async 'is-running'(t) {
    const sandbox = await t.fresh();
    assert.equal(await sandbox.isRunning(), true);
    await sandbox.kill();
    assert.equal(await sandbox.isRunning(), false);
  },

  async 'set-timeout'(t) {
    const sandbox = await t.fresh({ timeoutMs: 60_000 });
    const secondsLeft = async () => ((await sandbox.getInfo()).endAt.getTime() - Date.now()) / 1000;
    await sandbox.setTimeout(300_000);
    assert.ok((await secondsLeft()) > 280, 'the deadline moved away');
    await sandbox.setTimeout(30_000);
    assert.ok((await secondsLeft()) < 40, 'the deadline moved nearer');
    await sandbox.kill();
  },

  async expiry(t) {
    const sandbox = await t.fresh({ timeoutMs: 2_000 });
    assert.equal(await sandbox.isRunning(), true);
    await delay(2_000);
    await eventually('the end at the deadline', async () => !(await sandbox.isRunning()), 4_000);
    const error = await rejection(t.sdk.Sandbox.getInfo(sandbox.sandboxId));
    assert.match(error.name, /NotFound/);
  },

  async kill(t) {
    const sandbox = await t.fresh();
    assert.equal(await t.sdk.Sandbox.kill(sandbox.sandboxId), true);
    assert.equal(await t.sdk.Sandbox.kill(sandbox.sandboxId), false);
    const error = await rejection(sandbox.commands.run('true'));
    assert.match(error.name, /Timeout|NotFound|Sandbox/);
  },

  async metrics(t) {
    const sandbox = await t.sandbox();
    const samples = await eventually('a sample', async () => {
      const found = await sandbox.getMetrics();
      return found.length > 0 && found;
    });
    const [sample] = samples;
    assert.ok(sample.timestamp instanceof Date);
    assert.ok(sample.cpuCount >= 1 && sample.cpuUsedPct >= 0);
    assert.ok(sample.memTotal > 0 && sample.memUsed > 0 && sample.memUsed <= sample.memTotal);
    assert.ok(sample.diskTotal > 0 && sample.diskUsed >= 0);
  },

  async 'error-template'(t) {
    const error = await rejection(t.sdk.Sandbox.create('no-such-template'));
    assert.match(error.message, /no-such-template/);
    assert.match(error.message, /404/);
  },

  async 'error-key'(t) {
    const apiKey = `e2b_${'0'.repeat(40)}`;
    const error = await rejection(t.sdk.Sandbox.create({ apiKey }));
    assert.equal(error.name, 'AuthenticationError');
  },

  async 'error-unknown-sandbox'(t) {
    const info = await rejection(t.sdk.Sandbox.getInfo(UNKNOWN_SANDBOX));
    assert.match(info.name, /NotFound/);
    const connect = await rejection(t.sdk.Sandbox.connect(UNKNOWN_SANDBOX));
    assert.match(connect.name, /NotFound/);
    assert.equal(await t.sdk.Sandbox.kill(UNKNOWN_SANDBOX), false);
    const timeout = await rejection(t.sdk.Sandbox.setTimeout(UNKNOWN_SANDBOX, 10_000));
    assert.match(timeout.name, /NotFound/);
  },
};
