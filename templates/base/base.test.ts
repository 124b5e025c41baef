import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { type Base, ensureBase } from './index.ts';

const cacheDirectory = process.env.ATOLL_CACHE_DIR ?? '/var/cache/atoll';
let base: Base;

/** Runs a command inside the root, as a sandbox would: an empty environment, and a /tmp of its own. */
async function inBase(user: string, home: string, ...command: readonly string[]): Promise<string> {
  const script =
    'user=$1 home=$2; shift 2; mount -t tmpfs tmpfs "$0/tmp" && exec chroot "--userspec=$user" "$0" env -i "HOME=$home" "$@"';
  const contained = ['--mount', '--fork', '--pid', '--mount-proc', 'bash', '-c', script, base.directory, user, home];
  return (await promisify(execFile)('unshare', [...contained, ...command])).stdout;
}

const asUser = (script: string) => inBase('user:user', '/home/user', 'bash', '-l', '-c', script);
const asRoot = (script: string) => inBase('root:root', '/root', 'bash', '-l', '-c', script);

before(async () => {
  base = await ensureBase({ cacheDirectory });
});

test('the programs that clients count on are there', async () => {
  const programs = 'bash sudo python python3 pip node npm npx git curl wget jq ip ss ps pgrep less ping ssh unzip xz';
  await asUser(`for program in ${programs}; do command -v $program >/dev/null || { echo $program; exit 1; }; done`);
  assert.match(await asUser('node --version'), /^v2[4-9]\./);
  assert.match(await asUser('python3 -m venv --help'), /usage/);
});

test('a login shell yields the variables of Debian without starting a process', async () => {
  assert.equal(
    await asUser('echo "$PATH $SHELL"'),
    '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games /bin/bash\n',
  );
  assert.equal(await asRoot('echo $PATH'), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n');
  // The last field of loadavg is the number of the newest process in the namespace.
  const newest = 'read -r _ _ _ _ newest </proc/loadavg';
  const script = `${newest}; exec env "BEFORE=$newest" bash -l -c '${newest}; echo $((newest - BEFORE))'`;
  assert.equal(await inBase('user:user', '/home/user', 'bash', '-c', script), '0\n');
});

test('commands see what was appended to ~/.bashrc and ~/.profile', async () => {
  const script = `
    export HOME=/tmp/home
    mkdir $HOME && cp /etc/skel/.bashrc /etc/skel/.profile $HOME
    echo 'FROM_BASHRC=one' >>$HOME/.bashrc; echo 'FROM_PROFILE=two' >>$HOME/.profile
    bash -l -c 'echo "$FROM_BASHRC-$FROM_PROFILE"'
    touch $HOME/.bash_profile
    bash -l -c 'echo "$FROM_BASHRC-$FROM_PROFILE"'`;
  assert.equal(await asUser(script), 'one-two\none-two\n');
});

test('user has uid 1000 and a home of its own, and may become root without a password', async () => {
  assert.equal(await asUser('id -u; stat -c %U /home/user'), '1000\nuser\n');
  assert.match(await asRoot('sudo -l -U user'), /\(ALL : ALL\) NOPASSWD: ALL/);
});

test('folders that clients write to are open to all', async () => {
  assert.equal(await asRoot('stat -c %a /usr/local /usr/local/bin /code /tmp'), '777\n777\n777\n1777\n');
});

test('pip may install outside a virtual environment', async () => {
  assert.equal(await asRoot('ls /usr/lib/python3*/EXTERNALLY-MANAGED 2>/dev/null || true'), '');
});

test('nothing of the host that made it is left in it', async () => {
  assert.equal(await asRoot('cat /etc/machine-id /etc/resolv.conf'), '');
  assert.equal(await asRoot('cat /etc/hostname'), 'sandbox\n');
  assert.deepEqual(await readdir(join(base.directory, 'var/cache/apt/archives')), ['partial']);
});

test('a cancelled attempt leaves nothing', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'atoll-base-'));
  try {
    const cancelled = AbortSignal.abort(new Error('no longer wanted'));
    await assert.rejects(ensureBase({ cacheDirectory: empty, signal: cancelled }), /no longer wanted/);
    assert.deepEqual(await readdir(join(empty, 'base')), []);
  } finally {
    await rm(empty, { recursive: true });
  }
});
