import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createSandbox, killSandbox, listSandboxes } from './client/api.ts';
import { runCommand } from './client/sandbox.ts';
import { readIdentity } from './server/identity.ts';
import type { ServerState } from './server/server-state.ts';

const ATOLL = join(import.meta.dirname, '../../../atoll');
const execute = promisify(execFile);

/** One instance with a data directory and ports of its own. */
class Instance {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'atoll-cli-'));

  async atoll(command: string, ...args: readonly string[]): Promise<string> {
    const flags = [`--data-dir=${this.dataDir}`, '--host=127.0.0.1', '--api-port=0', '--edge-port=0', '--pool-size=1'];
    return (await execute(ATOLL, [command, ...flags, ...args], { timeout: 180_000 })).stdout;
  }

  async status(): Promise<ServerState> {
    return JSON.parse(await this.atoll('status', '--json'));
  }

  /** Everything on the host that carries the instance's name. */
  async leftovers(): Promise<string[]> {
    const { instance = '?', cidr = '?' } = readIdentity(this.dataDir) ?? {};
    const hostAddress = cidr.replace('.0.0/16', '.');
    const [namespaces, tables, links, addresses, loops] = await Promise.all([
      execute('ip', ['netns', 'list']),
      execute('nft', ['list', 'tables']),
      execute('ip', ['-o', 'link']),
      execute('ip', ['-o', 'address']),
      execute('losetup', ['--list', '--output', 'BACK-FILE']),
    ]);
    const lines = (text: { stdout: string }, wanted: string) =>
      text.stdout.split('\n').filter((line) => line.includes(wanted));
    return [
      ...lines(namespaces, `${instance}-`),
      ...lines(tables, `atoll_${instance}`),
      ...lines(links, `: ${instance}`),
      ...lines(addresses, ` ${hostAddress}`),
      ...lines(loops, this.dataDir),
      ...readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .filter((line) => line.includes(this.dataDir)),
      ...['/sys/fs/cgroup', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/pids']
        .map((folder) => `${folder}/atoll-${instance}`)
        .filter((folder) => existsSync(folder)),
    ];
  }

  async remove(): Promise<void> {
    await this.atoll('down');
    rmSync(this.dataDir, { recursive: true });
  }
}

const one = new Instance();
const other = new Instance();

before(async () => {
  await one.atoll('up', '--detach', '--api-key=e2b_0123456789abcdef0123456789abcdef01234567');
});

after(async () => {
  await one.remove();
  await other.remove();
});

test('status prints what a client needs, with the key that was given', async () => {
  const status = await one.status();
  const names = ['accessToken', 'apiKey', 'apiUrl', 'domain', 'pid', 'runtime', 'sandboxUrl', 'version'];
  assert.deepEqual(Object.keys(status).sort(), names);
  assert.equal(status.apiKey, 'e2b_0123456789abcdef0123456789abcdef01234567');
  assert.match(status.apiUrl, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(status.runtime, /^gvisor /);
  assert.equal(status.domain, null);
});

test('the demo runs to its last line', async () => {
  assert.match(await one.atoll('demo'), /Everything worked, in [\d.]+ s\.\n/);
});

test('two instances live side by side, and each knows only its own sandboxes', async () => {
  await other.atoll('up', '--detach');
  const [first, second] = [await one.status(), await other.status()];
  assert.notEqual(readIdentity(one.dataDir)?.instance, readIdentity(other.dataDir)?.instance);
  assert.notEqual(readIdentity(one.dataDir)?.cidr, readIdentity(other.dataDir)?.cidr);
  const created = await createSandbox(second, { templateID: 'base', timeout: 60 });
  assert.deepEqual(await listSandboxes(first), []);
  assert.deepEqual(
    (await listSandboxes(second)).map((sandbox) => sandbox.sandboxID),
    [created.sandboxID],
  );
  await killSandbox(second, created.sandboxID);
});

test('a second server on the same data directory is refused', async () => {
  await assert.rejects(one.atoll('up', '--detach'), /Another Atoll holds the data directory/);
});

test('after kill -9 the next start takes the sandbox over as it runs', async () => {
  const before = await one.status();
  const created = await createSandbox(before, { templateID: 'base', timeout: 120, secure: true });
  const access = { sandboxUrl: before.sandboxUrl, sandboxId: created.sandboxID, accessToken: created.envdAccessToken };
  await runCommand(access, 'echo kept >/tmp/file; nohup sleep 1000 >/dev/null 2>&1 & disown');
  process.kill(before.pid, 'SIGKILL');
  await assert.rejects(one.status(), /No Atoll is running/);

  await one.atoll('up', '--detach');
  const now = await one.status();
  assert.equal(now.apiKey, before.apiKey);
  const again = { ...access, sandboxUrl: now.sandboxUrl };
  assert.equal((await runCommand(again, 'cat /tmp/file; pgrep -c sleep')).stdout, 'kept\n1\n');
});

test('a start that fails says why and leaves nothing', async () => {
  const broken = new Instance();
  await assert.rejects(broken.atoll('up', '--detach', '--runsc-path=/bin/false'), /false/);
  await broken.remove();
});

test('a port that something else uses is named with its cure, before anything is done', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const blocked = new Instance();
  try {
    const refused = new RegExp(`Port ${port} .*something else listens there[^]*--api-port`);
    await assert.rejects(blocked.atoll('up', '--detach', `--api-port=${port}`), refused);
    assert.deepEqual(await blocked.leftovers(), []);
  } finally {
    other.close();
    await blocked.remove();
  }
});

test('an unknown flag is refused by name', async () => {
  await assert.rejects(one.atoll('up', '--api-prot=1'), /Unknown option '--api-prot'/);
});

test('down leaves nothing on the host, also after kill -9 of the server', async () => {
  assert.notDeepEqual(await other.leftovers(), []);
  process.kill((await other.status()).pid, 'SIGKILL');
  await other.atoll('down');
  assert.deepEqual(await other.leftovers(), []);
  await one.atoll('down');
  assert.deepEqual(await one.leftovers(), []);
});

test('doctor finds this machine fit, says where settings come from, and leaves nothing', async () => {
  const report = JSON.parse(await one.atoll('doctor', '--json'));
  const failures = report.findings.filter((finding: { status: string }) => finding.status === 'failure');
  assert.deepEqual(failures, []);
  assert.ok(report.findings.some((finding: { name: string }) => finding.name === 'sandbox'));
  const dataDir = report.settings.find((setting: { name: string }) => setting.name === 'dataDir');
  assert.deepEqual(dataDir, { name: 'dataDir', value: one.dataDir, origin: 'flag' });
  assert.deepEqual(await one.leftovers(), []);
});
