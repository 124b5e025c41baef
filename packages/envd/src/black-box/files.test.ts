import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Process } from '@atoll/contract/envd';
import { stream } from './connect-client.ts';
import { type Guest, startGuest } from './guest.ts';

interface Stored {
  path: string;
  name: string;
  type: string;
  metadata?: Record<string, string>;
}

describe('/files', () => {
  let guest: Guest;
  before(async () => {
    guest = await startGuest();
  });
  after(() => guest.close());

  const query = (path: string, username = 'user') => `/files?${new URLSearchParams({ path, username })}`;
  const put = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    guest.http(query(path), {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body,
    });
  const get = (path: string, headers: Record<string, string> = {}) => guest.http(query(path), { headers });

  async function sh(script: string): Promise<string> {
    let text = '';
    const message = { process: { cmd: '/bin/sh', args: ['-c', script] }, stdin: false };
    for await (const { event } of stream(guest, Process.method.start, message, { user: 'root' })) {
      if (event?.event.case !== 'data') continue;
      text += Buffer.from(event.event.value.output.value ?? []).toString('utf8');
    }
    return text;
  }

  test('a stored file belongs to the user, as do the directories made for it', async () => {
    const answer = await put('deep/er/a.txt', 'hello');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json<Stored[]>(), [{ path: '/home/user/deep/er/a.txt', name: 'a.txt', type: 'file' }]);
    assert.equal(await sh('stat -c "%U %a" /home/user/deep /home/user/deep/er/a.txt'), 'user 755\nuser 644\n');
    const read = await get('/home/user/deep/er/a.txt');
    assert.equal(read.body.toString(), 'hello');
    assert.equal(read.headers['content-length'], '5');
    assert.equal(read.headers['accept-ranges'], 'bytes');
    assert.match(String(read.headers['content-type']), /^text\/plain/);
    assert.equal(read.headers['content-disposition'], 'inline; filename=a.txt');
  });

  test('an empty file comes back with a length of zero, also when gzip is accepted', async () => {
    await put('empty', '');
    const read = await get('empty', { 'accept-encoding': 'gzip, deflate' });
    assert.equal(read.status, 200);
    assert.equal(read.headers['content-length'], '0');
  });

  test('an existing file keeps its mode and is cut to the new content', async () => {
    await sh('printf 0123456789 > /home/user/old; chmod 600 /home/user/old');
    await put('old', 'new');
    assert.equal(await sh('stat -c "%U %a %s" /home/user/old'), 'user 600 3\n');
  });

  test('gzip is spoken both ways', async () => {
    const text = 'atoll '.repeat(50_000);
    assert.equal((await put('zipped', gzipSync(text), { 'content-encoding': 'gzip' })).status, 200);
    const plain = await get('zipped');
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(plain.body.toString(), text);
    const zipped = await get('zipped', { 'accept-encoding': 'gzip' });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(zipped.body).toString(), text);
    assert.equal((await get('zipped', { 'accept-encoding': 'identity;q=0, *;q=0' })).status, 406);
    assert.equal((await put('zipped', 'no gzip', { 'content-encoding': 'gzip' })).status, 400);
    assert.equal((await put('zipped', 'x', { 'content-encoding': 'br' })).status, 400);
  });

  test('ranges and conditions are answered', async () => {
    await put('digits', '0123456789');
    const part = await get('digits', { range: 'bytes=2-4', 'accept-encoding': 'gzip' });
    assert.equal(part.status, 206);
    assert.equal(part.body.toString(), '234');
    assert.equal(part.headers['content-range'], 'bytes 2-4/10');
    assert.equal((await get('digits', { range: 'bytes=-3' })).body.toString(), '789');
    assert.equal((await get('digits', { range: 'bytes=8-' })).body.toString(), '89');
    const beyond = await get('digits', { range: 'bytes=10-' });
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers['content-range'], 'bytes */10');
    const modified = String((await get('digits')).headers['last-modified']);
    assert.equal((await get('digits', { 'if-modified-since': modified })).status, 304);
  });

  test('forms store every file part under its full name', async () => {
    const form = new FormData();
    form.append('ignored', 'text');
    form.append('file', new Blob(['one']), 'a/b/one.txt');
    form.append('file', new Blob([randomBytes(300_000)]), '/home/user/two.bin');
    const answer = await fetch(`${guest.url}/files?username=user`, { method: 'POST', body: form });
    assert.equal(answer.status, 200);
    const stored = (await answer.json()) as Stored[];
    assert.deepEqual(
      stored.map(({ path }) => path),
      ['/home/user/a/b/one.txt', '/home/user/two.bin'],
    );
    assert.equal(await sh('cat /home/user/a/b/one.txt; stat -c %s /home/user/two.bin'), 'one300000\n');
  });

  test('the path of the query wins over the name of the part, and takes one part only', async () => {
    const form = (count: number) => {
      const made = new FormData();
      for (let index = 0; index < count; index += 1) made.append('file', new Blob([`${index}`]), 'upload');
      return made;
    };
    const single = await fetch(`${guest.url}${query('named')}`, { method: 'POST', body: form(1) });
    assert.equal(((await single.json()) as Stored[])[0]?.path, '/home/user/named');
    const double = await fetch(`${guest.url}${query('named')}`, { method: 'POST', body: form(2) });
    assert.equal(double.status, 400);
  });

  test('big bodies arrive whole, with and without a length', async () => {
    const bytes = randomBytes(30_000_000);
    await put('big', bytes);
    assert.ok((await get('big', { 'accept-encoding': 'gzip, deflate' })).body.equals(bytes));
    const sum = createHash('sha256').update(bytes).digest('hex');
    const chunked = request(`${guest.url}${query('chunked')}`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/octet-stream' },
    });
    const answered = new Promise((resolve, reject) => {
      chunked.on('error', reject);
      chunked.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
    });
    for (let offset = 0; offset < bytes.length; offset += 1_000_000)
      chunked.write(bytes.subarray(offset, offset + 1_000_000));
    chunked.end();
    assert.equal(await answered, 200);
    assert.match(await sh('sha256sum /home/user/chunked'), new RegExp(sum));
  });

  test('metadata is kept in attributes and replaced by the next upload', async () => {
    const answer = await put('meta', 'x', { 'X-Metadata-Author': 'me', 'x-metadata-empty': '' });
    assert.deepEqual(answer.json<Stored[]>()[0]?.metadata, { author: 'me', empty: '' });
    const entry = async () => {
      const stat = await guest.http('/filesystem.Filesystem/Stat', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"path":"/home/user/meta"}',
      });
      return stat.json<{ entry: { metadata?: Record<string, string> } }>().entry;
    };
    assert.deepEqual((await entry()).metadata, { author: 'me', empty: '' });
    await put('meta', 'y');
    assert.equal((await entry()).metadata, undefined);
    assert.equal((await put('meta', 'x', { 'x-metadata-a': 'v'.repeat(5000) })).status, 400);
  });

  test('wrong paths and users are told apart', async () => {
    assert.equal((await get('missing')).status, 404);
    assert.equal((await get('/etc')).status, 400);
    assert.equal((await get('~other/x')).status, 400);
    assert.equal((await get('a\0b')).status, 400);
    assert.equal((await guest.http(query('x', 'nobody-here'))).status, 401);
    assert.equal((await put('/home/user', 'x')).status, 400);
    assert.equal((await put('', 'x')).status, 400);
    assert.equal((await put('x', 'x', { 'content-type': 'text/plain' })).status, 400);
    await sh('mkfifo /home/user/fifo');
    assert.equal((await get('fifo')).status, 400);
    assert.equal((await put('fifo', 'x')).status, 400);
    assert.equal((await get('/dev/zero')).status, 400);
    const body = (await get('missing')).json<{ code: number; message: string }>();
    assert.deepEqual(body, { code: 404, message: "path '/home/user/missing' does not exist" });
  });

  test('a file of /proc is read although it says it is empty', async () => {
    const read = await get('/proc/version');
    assert.match(read.body.toString(), /^Linux version/);
  });

  test('a full disk is answered 507', async () => {
    await sh('mkdir /home/user/small && mount -t tmpfs -o size=1m tmpfs /home/user/small');
    const answer = await put('small/file', randomBytes(3_000_000));
    assert.equal(answer.status, 507);
    assert.equal(answer.json<{ code: number }>().code, 507);
  });

  test('compose puts files together and removes the parts', async () => {
    await put('part1', 'one');
    await put('part2', 'two');
    const compose = (body: unknown) =>
      guest.http('/files/compose', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const paths = ['/home/user/part1', '/home/user/part2'];
    const answer = await compose({ source_paths: paths, destination: '/home/user/whole', username: 'user' });
    assert.deepEqual(answer.json(), { path: '/home/user/whole', name: 'whole', type: 'file' });
    assert.equal((await get('whole')).body.toString(), 'onetwo');
    assert.equal((await get('part1')).status, 404);
    assert.equal((await compose({ source_paths: [], destination: 'x' })).status, 400);
    assert.equal((await compose({ source_paths: ['/missing'], destination: 'x' })).status, 404);
  });

  test('a page of another origin may ask', async () => {
    const preflight = await guest.http('/files', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-access-token',
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-headers'], 'x-access-token');
    const answer = await guest.http('/health', { headers: { origin: 'https://a.example' } });
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  });
});
