import assert from 'node:assert/strict';
import { atLeast, eventually } from '../context.mjs';

/** A watched folder and the events it has given. */
async function watched(t, name, options = {}) {
  const { files } = await t.sandbox();
  const path = `/home/user/watch-${name}-${Date.now()}`;
  await files.makeDir(path);
  const events = [];
  const handle = await files.watchDir(
    path,
    (event) => {
      events.push(event);
    },
    options,
  );
  const sees = (type, event) =>
    eventually(`${type} ${event}`, () => events.find((seen) => seen.type === type && seen.name === event), 10_000);
  return { path, files, events, handle, sees };
}

export const operations = {
  async watch(t) {
    const { path, files, events, handle, sees } = await watched(t, 'plain');
    await files.write(`${path}/a`, 'one');
    await sees('create', 'a');
    await sees('write', 'a');
    await files.rename(`${path}/a`, `${path}/b`);
    await sees('rename', 'a');
    await sees('create', 'b');
    await files.remove(`${path}/b`);
    await sees('remove', 'b');
    await handle.stop();
    const count = events.length;
    await files.write(`${path}/c`, 'unseen');
    await files.read(`${path}/c`);
    assert.equal(events.length, count, 'a stopped watcher is silent');
  },

  async 'watch-recursive'(t) {
    const { path, files, handle, sees } = await watched(t, 'recursive', { recursive: true });
    await files.makeDir(`${path}/sub`);
    await sees('create', 'sub');
    await files.write(`${path}/sub/leaf`, 'x');
    await sees('write', 'sub/leaf');
    await handle.stop();
  },

  async 'watch-entry'(t) {
    if (!atLeast(t.version, '2.30.0')) t.notApplicable('this version has no includeEntry option');
    const { path, files, handle, sees } = await watched(t, 'entry', { includeEntry: true });
    await files.write(`${path}/a`, 'four');
    const event = await sees('write', 'a');
    assert.equal(event.entry?.path, `${path}/a`);
    assert.equal(event.entry?.type, 'file');
    await handle.stop();
  },

  'watch-polling': (t) => t.notApplicable('only synchronous Python and Ruby poll'),
};
