import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { atLeast, rejection } from '../context.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** An empty folder for one operation. */
async function folder(t, name) {
  const sandbox = await t.sandbox();
  const path = `/home/user/${name}-${Date.now()}`;
  await sandbox.files.makeDir(path);
  return { path, files: sandbox.files, commands: sandbox.commands };
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const operations = {
  async 'files-text'(t) {
    const { path, files, commands } = await folder(t, 'text');
    const info = await files.write(`${path}/deep/er/a b ü.txt`, 'grüezi\n');
    assert.equal(info.path, `${path}/deep/er/a b ü.txt`);
    assert.equal(info.name, 'a b ü.txt');
    assert.equal(await files.read(`${path}/deep/er/a b ü.txt`), 'grüezi\n');
    await files.write(`${path}/deep/er/a b ü.txt`, 'shorter');
    assert.equal(await files.read(`${path}/deep/er/a b ü.txt`), 'shorter');
    await files.write('relative.txt', 'in the home');
    assert.equal((await commands.run('cat /home/user/relative.txt')).stdout, 'in the home');
  },

  async 'files-bytes'(t) {
    const { path, files, commands } = await folder(t, 'bytes');
    const bytes = randomBytes(70_000);
    const exact = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    await files.write(`${path}/raw`, exact);
    assert.equal(sha256(await files.read(`${path}/raw`, { format: 'bytes' })), sha256(bytes));
    await files.write(`${path}/empty`, '');
    assert.equal(await files.read(`${path}/empty`), '');
    await files.write('/root/owned.txt', 'root', { user: 'root' });
    assert.equal((await commands.run('stat -c %U /root/owned.txt', { user: 'root' })).stdout, 'root\n');
    assert.equal((await commands.run(`stat -c %U ${path}/raw`)).stdout, 'user\n');
  },

  async 'files-stream'(t) {
    const { path, files } = await folder(t, 'stream');
    const bytes = randomBytes(3_000_000);
    const source = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 65_536) controller.enqueue(bytes.subarray(at, at + 65_536));
        controller.close();
      },
    });
    await files.write(`${path}/streamed`, source);
    const back = await collect(await files.read(`${path}/streamed`, { format: 'stream' }));
    assert.equal(sha256(back), sha256(bytes));
  },

  async 'files-gzip'(t) {
    if (!atLeast(t.version, '2.30.0')) t.notApplicable('this version has no gzip option');
    const { path, files } = await folder(t, 'gzip');
    const text = 'compressible '.repeat(50_000);
    await files.write(`${path}/zipped`, text, { gzip: true });
    assert.ok((await files.read(`${path}/zipped`)) === text);
    assert.ok((await files.read(`${path}/zipped`, { gzip: true })) === text);
  },

  async 'files-octet-stream'(t) {
    if (!atLeast(t.version, '2.30.0')) t.notApplicable('this version has no useOctetStream option');
    const { path, files } = await folder(t, 'octet');
    await files.write(`${path}/octet`, 'raw body', { useOctetStream: true });
    assert.equal(await files.read(`${path}/octet`), 'raw body');
  },

  async 'files-many'(t) {
    const { path, files } = await folder(t, 'many');
    const entries = Array.from({ length: 20 }, (_, i) => ({ path: `${path}/sub/${i}.txt`, data: `number ${i}` }));
    const infos = await files.write(entries);
    assert.deepEqual(
      infos.map((info) => info.path),
      entries.map((entry) => entry.path),
    );
    assert.equal(await files.read(`${path}/sub/19.txt`), 'number 19');
  },

  async 'files-metadata'(t) {
    const { path, files } = await folder(t, 'metadata');
    const written = await files.write(`${path}/tagged`, 'x', { metadata: { colour: 'blue', origin: 'test run' } });
    if (!atLeast(t.version, '2.40.0') && written.metadata === undefined)
      t.notApplicable('this version has no metadata option');
    assert.deepEqual(written.metadata, { colour: 'blue', origin: 'test run' });
    assert.deepEqual((await files.getInfo(`${path}/tagged`)).metadata, { colour: 'blue', origin: 'test run' });
    await files.write(`${path}/tagged`, 'y');
    assert.equal((await files.getInfo(`${path}/tagged`)).metadata, undefined);
  },

  async 'files-large'(t) {
    const { path, files, commands } = await folder(t, 'large');
    const bytes = randomBytes(20_000_000);
    await files.write(`${path}/large`, new Blob([bytes]));
    assert.match((await commands.run(`sha256sum ${path}/large`)).stdout, new RegExp(`^${sha256(bytes)} `));
    assert.equal(sha256(await files.read(`${path}/large`, { format: 'bytes' })), sha256(bytes));
    await files.remove(`${path}/large`);
  },

  async 'files-list'(t) {
    const { path, files } = await folder(t, 'list');
    await files.write(`${path}/b.txt`, 'b');
    await files.write(`${path}/a/x/y.txt`, 'y');
    const shallow = await files.list(path);
    assert.deepEqual(
      shallow.map((entry) => [entry.name, entry.type]),
      [
        ['a', 'dir'],
        ['b.txt', 'file'],
      ],
    );
    const deep = await files.list(path, { depth: 3 });
    assert.deepEqual(
      deep.map((entry) => entry.path),
      [`${path}/a`, `${path}/a/x`, `${path}/a/x/y.txt`, `${path}/b.txt`],
    );
    assert.match((await rejection(files.list(`${path}/nothing`))).name, /NotFound/);
  },

  async 'files-info'(t) {
    const { path, files, commands } = await folder(t, 'info');
    await files.write(`${path}/target`, 'four');
    await commands.run(`ln -s target ${path}/link && chmod 640 ${path}/target`);
    assert.equal(await files.exists(`${path}/target`), true);
    assert.equal(await files.exists(`${path}/nothing`), false);
    const info = await files.getInfo(`${path}/target`);
    assert.equal(info.type, 'file');
    assert.equal(info.size, 4);
    assert.equal(info.mode, 0o640);
    assert.equal(info.permissions, '-rw-r-----');
    assert.deepEqual([info.owner, info.group], ['user', 'user']);
    assert.ok(Math.abs(info.modifiedTime.getTime() - Date.now()) < 60_000);
    assert.equal((await files.getInfo(`${path}/link`)).symlinkTarget, `${path}/target`);
    assert.match((await rejection(files.getInfo(`${path}/nothing`))).name, /NotFound/);
  },

  async 'files-rename'(t) {
    const { path, files } = await folder(t, 'rename');
    await files.write(`${path}/old`, 'content');
    const info = await files.rename(`${path}/old`, `${path}/new/place`);
    assert.equal(info.path, `${path}/new/place`);
    assert.equal(await files.exists(`${path}/old`), false);
    assert.equal(await files.read(`${path}/new/place`), 'content');
    assert.match((await rejection(files.rename(`${path}/old`, `${path}/x`))).name, /NotFound/);
  },

  async 'files-remove'(t) {
    const { path, files } = await folder(t, 'remove');
    await files.write(`${path}/tree/leaf`, 'x');
    await files.remove(`${path}/tree`);
    assert.equal(await files.exists(`${path}/tree`), false);
    await files.remove(`${path}/tree`);
  },

  async 'files-make-dir'(t) {
    const { path, files, commands } = await folder(t, 'mkdir');
    assert.equal(await files.makeDir(`${path}/one/two`), true);
    assert.equal(await files.makeDir(`${path}/one/two`), false);
    assert.equal((await commands.run(`stat -c '%U %a' ${path}/one`)).stdout, 'user 755\n');
  },

  async 'files-errors'(t) {
    const { path, files } = await folder(t, 'errors');
    assert.match((await rejection(files.read(`${path}/nothing`))).name, /NotFound/);
    const directory = await rejection(files.read(path));
    assert.equal(directory.name, 'InvalidArgumentError');
    assert.match(directory.message, /is a directory/);
    assert.ok(await rejection(files.write(path, 'x')));
    assert.equal((await rejection(files.read('/x', { user: 'nobody-here' }))).name, 'AuthenticationError');
  },
};
