import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newApiKey } from '@atoll/contract';
import { ADMIN_TOKEN, openTestControl, type TestControl } from '../testing/test-control.ts';
import { keyRecord } from './secrets.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

const bearer = () => ({ 'X-API-Key': '', Authorization: `Bearer ${atoll.control.seed.accessToken}` });
const admin = (extra: Record<string, string> = {}) => ({ 'X-API-Key': '', 'X-Admin-Token': ADMIN_TOKEN, ...extra });

test('the generated first key and token have the form that clients check', () => {
  assert.match(atoll.control.seed.apiKey, /^e2b_[0-9a-f]{40}$/);
  assert.match(atoll.control.seed.accessToken, /^sk_e2b_[0-9a-f]{40}$/);
});

test('any one valid credential is enough, beside whatever invalid ones', async () => {
  const teamId = atoll.control.seed.teamId;
  for (const headers of [
    {},
    { 'X-API-Key': '', 'x-api-key': atoll.control.seed.apiKey },
    bearer(),
    { ...bearer(), 'X-Team-ID': teamId },
    { ...bearer(), 'X-API-Key': 'e2b_wrong' },
    { Authorization: 'Bearer wrong' },
    { Authorization: 'Basic dXNlcjo=' },
    admin({ 'X-Team-ID': teamId }),
  ]) {
    const { status } = await atoll.ask('GET /v2/sandboxes', undefined, headers as Record<string, string>);
    assert.equal(status, 200, JSON.stringify(headers));
  }
});

test('no or invalid credentials are refused with 401 and a text that tells what is wanted', async () => {
  const strange = newApiKey();
  for (const [headers, text] of [
    [{ 'X-API-Key': '' }, /No credential was sent.*X-API-Key/],
    [{ 'X-API-Key': strange }, /Invalid API key/],
    [{ 'X-API-Key': '', Authorization: 'Bearer sk_e2b_0000' }, /Invalid API key or token/],
    [{ 'X-API-Key': '', Authorization: 'Bearer aaa.bbb.ccc' }, /no login tokens \(JWT\)/],
    [admin(), /No credential was sent/],
    [{ 'X-API-Key': '', 'X-Admin-Token': 'wrong', 'X-Team-ID': atoll.control.seed.teamId }, /No credential/],
  ] as const) {
    const { status, json, text: body } = await atoll.ask('GET /v2/sandboxes', undefined, headers);
    assert.equal(status, 401);
    assert.match(json.message, text);
    assert.ok(!body.includes(strange));
  }
});

test('a key of another team sees, changes and ends nothing of ours', async () => {
  const other = await atoll.store.teams.create({ name: 'Other', slug: 'other' });
  const key = newApiKey();
  await atoll.store.keys.addApiKey(other.teamId, 'theirs', keyRecord(key));
  const id = await atoll.create();
  const theirs = { 'X-API-Key': key };
  for (const [line, body] of [
    [`GET /sandboxes/${id}`],
    [`DELETE /sandboxes/${id}`],
    [`POST /v2/sandboxes/${id}/connect`],
    [`POST /sandboxes/${id}/timeout`, { timeout: 0 }],
    [`PUT /sandboxes/${id}/network`, {}],
    [`GET /sandboxes/${id}/metrics`],
    [`GET /v2/sandboxes/${id}/logs`],
  ] as const) {
    const { status, json } = await atoll.ask(line, body, theirs);
    assert.equal(status, 404, line);
    assert.equal(json.message, `Sandbox "${id}" doesn't exist or you don't have access to it`);
  }
  assert.deepEqual((await atoll.ask('GET /v2/sandboxes', undefined, theirs)).json, []);
  assert.deepEqual((await atoll.ask(`GET /sandboxes/metrics?sandbox_ids=${id}`, undefined, theirs)).json, {
    sandboxes: {},
  });
  assert.equal((await atoll.ask(`GET /teams/${atoll.control.seed.teamId}/metrics`, undefined, theirs)).status, 403);
  assert.equal((await atoll.ask(`GET /sandboxes/${id}`)).status, 200);
  const foreignTeam = await atoll.ask('GET /v2/sandboxes', undefined, { ...bearer(), 'X-Team-ID': other.teamId });
  assert.equal(foreignTeam.status, 403);
});

test('a blocked team is refused with the reason', async () => {
  const team = await atoll.store.teams.create({ name: 'Blocked', slug: 'blocked' });
  const key = newApiKey();
  await atoll.store.keys.addApiKey(team.teamId, 'k', keyRecord(key));
  await atoll.store.teams.setBlocked(team.teamId, 'unpaid');
  const { status, json } = await atoll.ask('GET /v2/sandboxes', undefined, { 'X-API-Key': key });
  assert.equal(status, 403);
  assert.match(json.message, /unpaid/);
});

test('keys are made, listed without their value, renamed, used and deleted', async () => {
  const made = await atoll.ask('POST /api-keys', { name: 'ci' }, bearer());
  assert.equal(made.status, 201);
  const { key, id } = made.json;
  const use = () => atoll.ask('GET /v2/sandboxes', undefined, { 'X-API-Key': key });
  assert.equal((await use()).status, 200);

  const listed = await atoll.ask('GET /api-keys', undefined, bearer());
  assert.ok(!listed.text.includes(key) && !listed.text.includes(atoll.control.seed.apiKey));
  const entry = listed.json.find((one: { id: string }) => one.id === id);
  assert.deepEqual(entry.mask, {
    prefix: 'e2b_',
    valueLength: 40,
    maskedValuePrefix: key.slice(4, 6),
    maskedValueSuffix: key.slice(-4),
  });
  assert.ok(entry.lastUsed);
  assert.ok(entry.createdBy.id);

  assert.equal((await atoll.ask(`PATCH /api-keys/${id}`, { name: 'ci 2' }, bearer())).json.name, 'ci 2');
  assert.equal((await atoll.ask(`DELETE /api-keys/${id}`, undefined, bearer())).status, 204);
  assert.equal((await use()).status, 401);
  for (const line of [`DELETE /api-keys/${id}`, 'DELETE /api-keys/nonsense']) {
    assert.equal((await atoll.ask(line, undefined, bearer())).status, 404);
  }
  assert.equal((await atoll.ask('GET /api-keys')).status, 401);
  assert.equal((await atoll.ask('POST /api-keys', {}, bearer())).status, 400);
});

test('access tokens are made and deleted by their user', async () => {
  const { status, json } = await atoll.ask('POST /access-tokens', { name: 'laptop' }, bearer());
  assert.equal(status, 201);
  const mine = { 'X-API-Key': '', Authorization: `Bearer ${json.token}` };
  assert.equal((await atoll.ask('GET /teams', undefined, mine)).status, 200);
  assert.equal((await atoll.ask(`DELETE /access-tokens/${json.id}`, undefined, bearer())).status, 204);
  assert.equal((await atoll.ask('GET /teams', undefined, mine)).status, 401);
});

test('the teams of a user have exactly one default, with the first API key', async () => {
  const { json } = await atoll.ask('GET /teams', undefined, bearer());
  assert.equal(json.filter((team: { isDefault: boolean }) => team.isDefault).length, 1);
  assert.equal(json[0].apiKey, atoll.control.seed.apiKey);
  assert.equal((await atoll.ask('GET /teams')).status, 401);
});

test('nothing in the store would let a reader use a key', async () => {
  const held = JSON.stringify([
    await atoll.store.keys.listApiKeys(atoll.control.seed.teamId),
    await atoll.store.settings.get('seeded_api_key_hash'),
  ]);
  assert.ok(!held.includes(atoll.control.seed.apiKey));
});

test('operators see the node, drain it, and end and count what teams run', async () => {
  const teamId = atoll.control.seed.teamId;
  assert.equal((await atoll.ask('GET /nodes')).status, 401);
  const [node] = (await atoll.ask('GET /nodes', undefined, admin())).json;
  assert.equal(node.status, 'ready');
  assert.equal((await atoll.ask(`GET /nodes/${node.id}`, undefined, admin())).json.id, node.id);
  assert.equal((await atoll.ask('GET /nodes/other', undefined, admin())).status, 404);
  assert.equal((await atoll.ask(`POST /nodes/${node.id}`, { status: 'unhealthy' }, admin())).status, 409);
  assert.equal((await atoll.ask(`POST /nodes/${node.id}`, { status: 'draining' }, admin())).status, 204);
  const refused = await atoll.ask('POST /v2/sandboxes', { templateID: 'base' });
  assert.equal(refused.status, 503);
  assert.equal((await atoll.ask(`POST /nodes/${node.id}`, { status: 'ready' }, admin())).status, 204);

  await atoll.create();
  const counts = await atoll.ask('GET /admin/sandboxes/running-counts', undefined, admin());
  assert.ok(counts.json[teamId] >= 1);
  const killed = await atoll.ask(`POST /admin/teams/${teamId}/sandboxes/kill`, undefined, admin());
  assert.deepEqual(killed.json, { killedCount: counts.json[teamId], failedCount: 0 });
  assert.deepEqual((await atoll.ask('GET /admin/sandboxes/running-counts', undefined, admin())).json, {});
  assert.equal((await atoll.ask(`POST /admin/teams/${teamId}/builds/cancel`, undefined, admin())).status, 501);

  const made = await atoll.ask(`POST /admin/teams/${teamId}/api-keys`, undefined, admin());
  assert.equal(made.status, 201);
  assert.equal((await atoll.ask('GET /v2/sandboxes', undefined, { 'X-API-Key': made.json.key })).status, 200);
  assert.equal(
    (await atoll.ask(`DELETE /admin/teams/${teamId}/api-keys/${made.json.id}`, undefined, admin())).status,
    204,
  );
  assert.equal((await atoll.ask('POST /api-keys', { name: 'x' }, admin({ 'X-Team-ID': teamId }))).status, 401);
  assert.equal((await atoll.ask('GET /api-keys', undefined, admin({ 'X-Team-ID': teamId }))).status, 200);
});
