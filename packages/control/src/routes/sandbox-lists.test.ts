import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE_BUILD } from '../testing/recording-node.ts';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

const ids = (answer: { json: { sandboxID: string }[] }) => answer.json.map((one) => one.sandboxID);

test('pages follow one another in both orders and hold every sandbox once', async () => {
  const made: string[] = [];
  for (let index = 0; index < 7; index += 1) made.push(await atoll.create());
  for (const order of ['asc', 'desc']) {
    const seen: string[] = [];
    let token: string | null = '';
    let pages = 0;
    do {
      const answer = await atoll.ask(`GET /v2/sandboxes?limit=3&order=${order}&nextToken=${token}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('x-total-running'), '7');
      seen.push(...ids(answer));
      token = answer.headers.get('x-next-token');
      pages += 1;
    } while (token !== null);
    assert.equal(pages, 3);
    assert.deepEqual([...seen].sort(), [...made].sort());
    const starts = await Promise.all(seen.map(async (id) => (await atoll.store.sandboxes.get(id))?.startedAt ?? 0));
    const sorted = [...starts].sort((one, other) => (order === 'asc' ? one - other : other - one));
    assert.deepEqual(starts, sorted);
  }
});

test('a page token that is not of this list is refused', async () => {
  const first = await atoll.ask('GET /v2/sandboxes?limit=1&order=asc');
  const token = first.headers.get('x-next-token');
  assert.ok(token);
  for (const bad of ['nonsense', 'e30', `${token}&order=desc`, Buffer.from('x__y__z__w').toString('base64url')]) {
    assert.equal((await atoll.ask(`GET /v2/sandboxes?nextToken=${bad}`)).status, 400, bad);
  }
});

test('metadata is matched exactly, in each encoding that clients use', async () => {
  const awkward = { 'ключ &=+%': 'значение &=+% 1', plain: 'v' };
  const id = await atoll.create({ metadata: awkward });
  await atoll.create({ metadata: { plain: 'v2' } });

  // As the official clients: each key and value, then the form, then the parameter.
  const inner = new URLSearchParams(
    Object.entries(awkward).map(([key, value]): [string, string] => [
      encodeURIComponent(key),
      encodeURIComponent(value),
    ]),
  ).toString();
  for (const path of ['/v2/sandboxes', '/sandboxes']) {
    assert.deepEqual(ids(await atoll.ask(`GET ${path}?metadata=${encodeURIComponent(inner)}`)), [id]);
    assert.deepEqual(ids(await atoll.ask(`GET ${path}?metadata=plain%3Dv`)), [id]);
    assert.deepEqual(ids(await atoll.ask(`GET ${path}?metadata=plain=v`)), [id]);
    assert.deepEqual(ids(await atoll.ask(`GET ${path}?metadata=plain%3Dv%26other%3Dx`)), []);
    assert.deepEqual(ids(await atoll.ask(`GET ${path}?metadata=plain%3D`)), []);
  }
  const filtered = await atoll.ask('GET /v2/sandboxes?metadata=plain%3Dv');
  assert.equal(filtered.headers.get('x-total-running'), '1');
});

test('the state may be a comma list, repeated, or with brackets', async () => {
  const all = ids(await atoll.ask('GET /v2/sandboxes')).length;
  for (const query of [
    'state=running',
    'state=running,paused',
    'state=running&state=paused',
    'state[]=running',
    'state%5B%5D=running&state%5B%5D=paused',
  ]) {
    const answer = await atoll.ask(`GET /v2/sandboxes?${query}`);
    assert.equal(ids(answer).length, all, query);
    assert.ok(answer.headers.get('x-total-running'));
  }
  const paused = await atoll.ask('GET /v2/sandboxes?state=paused');
  assert.deepEqual(paused.json, []);
  assert.equal(paused.headers.get('x-total-running'), null);
  assert.equal((await atoll.ask('GET /v2/sandboxes?state=dead')).status, 400);
});

test('lists are narrowed by template and by start', async () => {
  const all = ids(await atoll.ask('GET /v2/sandboxes')).length;
  for (const name of ['base', 'e2bdev%2Fbase', BASE_BUILD.templateId]) {
    assert.equal(ids(await atoll.ask(`GET /v2/sandboxes?template=${name}`)).length, all, name);
  }
  assert.deepEqual((await atoll.ask('GET /v2/sandboxes?template=unknown')).json, []);
  assert.equal((await atoll.ask('GET /v2/sandboxes?template=base:v1')).status, 400);
  const last = await atoll.create();
  const startedAt = new Date((await atoll.store.sandboxes.get(last))?.startedAt ?? 0).toISOString();
  assert.ok(ids(await atoll.ask(`GET /v2/sandboxes?startedAfter=${startedAt}`)).includes(last));
  assert.deepEqual((await atoll.ask('GET /v2/sandboxes?startedAfter=2999-01-01T00:00:00Z')).json, []);
  assert.equal((await atoll.ask('GET /v2/sandboxes?startedAfter=yesterday')).status, 400);
});

test('limits outside 1 to 100 are refused', async () => {
  for (const limit of ['0', '101', '-1', '1.5', 'many', '1e1']) {
    const { status, json } = await atoll.ask(`GET /v2/sandboxes?limit=${limit}`);
    assert.equal(status, 400, limit);
    assert.match(json.message, /^validation error: limit/);
  }
});
