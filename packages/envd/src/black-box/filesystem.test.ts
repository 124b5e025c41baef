import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EventType, Filesystem, FileType, Process, type WatchDirResponse } from '@atoll/contract/envd';
import { call, stream } from './connect-client.ts';
import { eventually } from './eventually.ts';
import { type Guest, startGuest } from './guest.ts';

describe('the filesystem service', () => {
  let guest: Guest;
  before(async () => {
    guest = await startGuest();
  });
  after(() => guest.close());

  const { method } = Filesystem;
  const user = { user: 'user' };

  async function sh(script: string): Promise<void> {
    const message = { process: { cmd: '/bin/sh', args: ['-c', script], cwd: '/home/user' }, stdin: false };
    for await (const { event } of stream(guest, Process.method.start, message, user)) {
      if (event?.event.case === 'end') assert.equal(event.event.value.exitCode, 0, script);
    }
  }

  test('entries tell type, size, mode, owner and target', async () => {
    await sh(
      'mkdir -p info/sub; printf abc > info/file; chmod 640 info/file; ln -s file info/link; ln -s nowhere info/broken; ln -s sub info/dirlink',
    );
    const stat = async (path: string) => (await call(guest, method.stat, { path }, user)).entry;
    const file = await stat('info/file');
    assert.equal(file?.type, FileType.FILE);
    assert.equal(file?.path, '/home/user/info/file');
    assert.equal(file?.size, 3n);
    assert.equal(file?.mode, 0o640);
    assert.equal(file?.permissions, '-rw-r-----');
    assert.equal(file?.owner, 'user');
    assert.ok(Math.abs(Number(file?.modifiedTime?.seconds) - Date.now() / 1000) < 60);
    const link = await stat('info/link');
    assert.equal(link?.type, FileType.FILE);
    assert.equal(link?.isSymlink, true);
    assert.equal(link?.symlinkTarget, '/home/user/info/file');
    assert.equal(link?.permissions, 'Lrwxrwxrwx');
    assert.equal(link?.mode, 0o640);
    const broken = await stat('info/broken');
    assert.equal(broken?.type, FileType.UNSPECIFIED);
    assert.equal(broken?.symlinkTarget, '/home/user/info/broken');
    assert.equal((await stat('info/dirlink'))?.type, FileType.DIRECTORY);
    assert.equal((await stat('/tmp'))?.permissions, 'dtrwxrwxrwx');
    await assert.rejects(stat('info/missing'), {
      code: 'not_found',
      message: 'file not found: /home/user/info/missing',
    });
  });

  test('listing is lexical, depth first and pruned by depth', async () => {
    await sh('mkdir -p tree/b/c tree/a; touch tree/b/c/deep tree/a/x tree/z; ln -s tree treelink');
    const list = async (path: string, depth: number) =>
      (await call(guest, method.listDir, { path, depth }, user)).entries.map((entry) =>
        entry.path.replace('/home/user/', ''),
      );
    assert.deepEqual(await list('tree', 0), ['tree/a', 'tree/b', 'tree/z']);
    assert.deepEqual(await list('tree', 2), ['tree/a', 'tree/a/x', 'tree/b', 'tree/b/c', 'tree/z']);
    assert.deepEqual(await list('treelink', 1), ['treelink/a', 'treelink/b', 'treelink/z']);
    await assert.rejects(list('missing', 1), { code: 'not_found' });
    await assert.rejects(list('tree/z', 1), { code: 'invalid_argument' });
    await sh('ln -s loop loop');
    await assert.rejects(list('loop', 1), { code: 'failed_precondition' });
  });

  test('directories are made, moved and removed', async () => {
    const made = await call(guest, method.makeDir, { path: 'made/by/us' }, user);
    assert.equal(made.entry?.owner, 'user');
    await assert.rejects(call(guest, method.makeDir, { path: 'made/by/us' }, user), { code: 'already_exists' });
    await sh('touch made/file');
    await assert.rejects(call(guest, method.makeDir, { path: 'made/file' }, user), { code: 'invalid_argument' });
    const moved = await call(guest, method.move, { source: 'made', destination: 'new/place' }, user);
    assert.equal(moved.entry?.path, '/home/user/new/place');
    await assert.rejects(call(guest, method.move, { source: 'made', destination: 'x' }, user), { code: 'not_found' });
    await call(guest, method.remove, { path: 'new' }, user);
    await call(guest, method.remove, { path: 'new' }, user);
    await assert.rejects(call(guest, method.stat, { path: 'new' }, user), { code: 'not_found' });
  });

  test('a watch tells what happens, also in directories made later', async () => {
    await sh('mkdir -p watched/old; touch watched/there');
    const events = stream(guest, method.watchDir, { path: 'watched', recursive: true, includeEntry: true }, user);
    assert.equal((await events.next()).value?.event.case, 'start');
    await sh(
      'cd watched; echo x > made; mv there gone; chmod 600 made; rm gone; mkdir -p new/sub; sleep 0.2; echo y > new/sub/file; rm -r old',
    );
    const seen = await collectEvents(events, 'old');
    const named = (name: string) => seen.filter((event) => event.name === name).map((event) => event.type);
    assert.deepEqual(named('made').slice(0, 2), [EventType.CREATE, EventType.WRITE]);
    assert.ok(named('made').includes(EventType.CHMOD));
    assert.deepEqual(named('there'), [EventType.RENAME]);
    assert.deepEqual(named('gone'), [EventType.CREATE, EventType.REMOVE]);
    assert.deepEqual(named('new'), [EventType.CREATE]);
    assert.deepEqual(named('new/sub'), [EventType.CREATE]);
    assert.ok(named('new/sub/file').includes(EventType.CREATE));
    assert.deepEqual(named('old'), [EventType.REMOVE]);
    const created = seen.find((event) => event.name === 'new' && event.type === EventType.CREATE);
    assert.equal(created?.entry?.type, FileType.DIRECTORY);
    assert.equal(seen.find((event) => event.type === EventType.RENAME)?.entry, undefined);
  });

  test('a polled watcher gathers events until it is removed', async () => {
    await sh('mkdir polled');
    const { watcherId } = await call(guest, method.createWatcher, { path: 'polled' }, user);
    assert.match(watcherId, /^w[0-9a-z]+$/);
    await sh('touch polled/a; mkdir polled/d; touch polled/d/unseen');
    const seen = new Set<string>();
    await eventually(async () => {
      const { events } = await call(guest, method.getWatcherEvents, { watcherId });
      for (const event of events) seen.add(event.name);
      assert.deepEqual([...seen].sort(), ['a', 'd']);
    });
    await eventually(async () => {
      assert.deepEqual((await call(guest, method.getWatcherEvents, { watcherId })).events, []);
    });
    await call(guest, method.removeWatcher, { watcherId });
    await assert.rejects(call(guest, method.getWatcherEvents, { watcherId }), { code: 'not_found' });
    await assert.rejects(call(guest, method.removeWatcher, { watcherId }), { code: 'not_found' });
    await assert.rejects(call(guest, method.createWatcher, { path: 'missing' }, user), { code: 'not_found' });
  });
});

type Seen = NonNullable<Extract<WatchDirResponse['event'], { case: 'filesystem' }>['value']>;

/** Events until the removal of `lastName`. */
async function collectEvents(events: AsyncGenerator<WatchDirResponse>, lastName: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { event } of events) {
    if (event.case !== 'filesystem') continue;
    seen.push(event.value);
    if (event.value.name === lastName && event.value.type === EventType.REMOVE) break;
  }
  return seen;
}
