import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AtollError, newSandboxId } from '@atoll/contract';
import { pino } from 'pino';
import { keyRecord } from '../auth/secrets.ts';
import type { SandboxRecord } from '../sandboxes/record.ts';
import { findPostgres, POSTGRES_MISSING, startPostgres, type TestPostgres } from '../testing/postgres.ts';
import { openTestControl } from '../testing/test-control.ts';
import { openStore, type Store } from './store.ts';

const logger = pino({ level: 'silent' });

/** The same tests for both databases. `urlOf` gives the address of an empty database of that name. */
function storeTests(urlOf: (name: string) => Promise<string>): void {
  let store: Store;
  let teamId: string;
  before(async () => {
    store = await openStore({ url: await urlOf('main'), logger });
    teamId = (await store.teams.ensureFirst()).team.teamId;
  });
  after(() => store.close());

  const record = (changes: Partial<SandboxRecord> = {}): SandboxRecord => ({
    sandboxId: newSandboxId(),
    teamId,
    templateId: 'template',
    buildId: 'build',
    alias: undefined,
    envdVersion: '0.6.13',
    state: 'running',
    startedAt: Date.now(),
    endAt: Date.now() + 60_000,
    resources: { cpuCount: 2, memoryMiB: 512, diskMiB: 1024 },
    secure: true,
    metadata: {},
    network: {},
    address: undefined,
    lifecycleId: undefined,
    end: undefined,
    idempotency: undefined,
    ...changes,
  });
  const add = async (changes: Partial<SandboxRecord> = {}) => {
    const added = record(changes);
    assert.equal(await store.sandboxes.insert(added, 1_000_000), 'inserted');
    return added;
  };
  const team = async (slug: string) => (await store.teams.create({ name: slug, slug })).teamId;

  test('a sandbox is read as it was written', async () => {
    const full = await add({
      alias: 'base',
      metadata: { 'ключ "&=': 'wert\n', a: '' },
      network: {
        allowInternetAccess: false,
        denyOut: ['1.1.1.1/32'],
        ports: [{ port: 1, protocol: 'tcp', access: 'deny' }],
      },
      secure: false,
      address: '10.0.0.2',
      lifecycleId: 'life',
      idempotency: { key: 'k1', hash: 'h' },
      endAt: Date.UTC(2100, 0, 1),
    });
    assert.deepEqual(await store.sandboxes.get(full.sandboxId), full);
    assert.deepEqual(await store.sandboxes.byIdempotencyKey(teamId, 'k1'), full);
    assert.equal(await store.sandboxes.get('unknown'), undefined);
  });

  test('of two changes of state from the same state only one happens', async () => {
    const { sandboxId } = await add();
    const outcomes = await Promise.all([
      store.sandboxes.transition(sandboxId, 'killing', { end: { at: 1, reason: 'killed', detail: 'a' } }),
      store.sandboxes.transition(sandboxId, 'killing', { end: { at: 1, reason: 'timeout', detail: 'b' } }),
      store.sandboxes.transition(sandboxId, 'failed', { end: { at: 1, reason: 'oom', detail: 'c' } }),
    ]);
    assert.equal(outcomes.filter((outcome) => outcome !== undefined).length, 1);
  });

  test('an illegal change of state changes nothing', async () => {
    const { sandboxId } = await add();
    assert.equal(await store.sandboxes.transition(sandboxId, 'gone'), undefined);
    assert.equal(await store.sandboxes.transition(sandboxId, 'running'), undefined);
    assert.equal((await store.sandboxes.get(sandboxId))?.state, 'running');
  });

  test('a kill keeps its reason from its beginning, and only its end makes a tombstone', async () => {
    const { sandboxId } = await add();
    const killing = await store.sandboxes.transition(sandboxId, 'killing', {
      end: { at: 5, reason: 'timeout', detail: 'd' },
    });
    assert.equal(killing?.end, undefined);
    const gone = await store.sandboxes.transition(sandboxId, 'gone');
    assert.equal(gone?.end?.reason, 'timeout');
    assert.equal(gone?.end?.detail, 'd');
    assert.ok(Math.abs((gone?.end?.at ?? 0) - Date.now()) < 5000);
  });

  test('a change that hangs on the deadline sees a deadline that was just moved', async () => {
    const { sandboxId } = await add({ endAt: 1000 });
    await store.sandboxes.setDeadline(sandboxId, 5000, { onlyLater: true });
    assert.equal(await store.sandboxes.transition(sandboxId, 'killing', { endAtOrBefore: 2000 }), undefined);
    assert.ok(await store.sandboxes.transition(sandboxId, 'killing', { endAtOrBefore: 5000 }));
  });

  test('a deadline moves only later where that is asked, and not at all when nothing runs', async () => {
    const { sandboxId } = await add({ endAt: 5000 });
    assert.equal((await store.sandboxes.setDeadline(sandboxId, 1000, { onlyLater: true }))?.endAt, 5000);
    assert.equal((await store.sandboxes.setDeadline(sandboxId, 1000, { onlyLater: false }))?.endAt, 1000);
    const far = Date.UTC(2200, 0, 1);
    assert.equal((await store.sandboxes.setDeadline(sandboxId, far, { onlyLater: true }))?.endAt, far);
    await store.sandboxes.transition(sandboxId, 'killing');
    assert.equal(await store.sandboxes.setDeadline(sandboxId, 9000, { onlyLater: false }), undefined);
    assert.equal(await store.sandboxes.setNetwork(sandboxId, {}), undefined);
  });

  test('a team never has more living sandboxes than its limit, whoever asks at once', async () => {
    const crowded = await team('crowded');
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () => store.sandboxes.insert(record({ teamId: crowded, state: 'starting' }), 4)),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'inserted').length, 4);
    assert.equal(outcomes.filter((outcome) => outcome === 'limit_reached').length, 8);
    assert.equal(await store.sandboxes.countAlive(crowded), 4);
  });

  test('an Idempotency-Key is taken once for each team, and free again when released', async () => {
    const idempotency = { key: 'once', hash: 'h' };
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => store.sandboxes.insert(record({ idempotency }), 1000)),
    );
    assert.deepEqual(outcomes.sort(), [
      'idempotency_key_taken',
      'idempotency_key_taken',
      'idempotency_key_taken',
      'idempotency_key_taken',
      'inserted',
    ]);
    const other = await team('other-keys');
    assert.equal(await store.sandboxes.insert(record({ teamId: other, idempotency }), 1000), 'inserted');
    const held = await store.sandboxes.byIdempotencyKey(teamId, 'once');
    await store.sandboxes.releaseIdempotencyKey(held?.sandboxId ?? '');
    assert.equal(await store.sandboxes.insert(record({ idempotency, startedAt: 1000 }), 1000), 'inserted');
    await store.sandboxes.releaseIdempotencyKeys(2000);
    assert.equal(await store.sandboxes.byIdempotencyKey(teamId, 'once'), undefined);
  });

  test('lists are filtered, ordered and paged, and count what they filter', async () => {
    const lister = await team('lister');
    const of = (changes: Partial<SandboxRecord>) => add({ teamId: lister, ...changes });
    const first = await of({ startedAt: 1000, metadata: { color: 'red', 'a.b"c': 'x' } });
    const second = await of({ startedAt: 2000, templateId: 'special', metadata: { color: 'red' } });
    const third = await of({ startedAt: 2000, metadata: { color: 'blue' } });
    const ended = await of({ startedAt: 3000, metadata: { color: 'red' } });
    await store.sandboxes.transition(ended.sandboxId, 'failed', { end: { at: 1, reason: 'crashed', detail: '' } });
    const list = async (filter: object, page: object = {}) =>
      (
        await store.sandboxes.list(
          { teamId: lister, states: ['running'], ...filter },
          { order: 'asc', limit: 10, ...page },
        )
      ).map((one) => one.sandboxId);
    const [low, high] = [second.sandboxId, third.sandboxId].sort();
    assert.deepEqual(await list({}), [first.sandboxId, low, high]);
    assert.deepEqual(await list({}, { order: 'desc' }), [high, low, first.sandboxId]);
    assert.deepEqual(await list({ metadata: { color: 'red' } }), [first.sandboxId, second.sandboxId]);
    assert.deepEqual(await list({ metadata: { color: 'red', 'a.b"c': 'x' } }), [first.sandboxId]);
    assert.deepEqual(await list({ metadata: { color: 'RED' } }), []);
    assert.deepEqual(await list({ metadata: { missing: '' } }), []);
    assert.deepEqual(await list({ templateId: 'special' }), [second.sandboxId]);
    assert.deepEqual(await list({ startedAfter: 2000 }), [low, high]);
    assert.deepEqual(await list({ states: [] }), []);
    assert.deepEqual(await list({}, { limit: 1, after: { startedAt: 2000, sandboxId: low } }), [high]);
    assert.deepEqual(await list({}, { order: 'desc', after: { startedAt: 2000, sandboxId: low } }), [first.sandboxId]);
    assert.equal(await store.sandboxes.count({ teamId: lister, states: ['running'], metadata: { color: 'red' } }), 2);
    assert.equal((await store.sandboxes.runningByTeam()).get(lister), 3);
    const alive = (await store.sandboxes.alive()).filter((one) => one.teamId === lister);
    assert.equal(alive.length, 3);
  });

  test('tombstones are kept as long as they are to be', async () => {
    const { sandboxId } = await add();
    await store.sandboxes.transition(sandboxId, 'failed', { end: { at: 5000, reason: 'oom', detail: 'x' } });
    await store.sandboxes.removeTombstones(5000);
    assert.deepEqual((await store.sandboxes.get(sandboxId))?.end, { at: 5000, reason: 'oom', detail: 'x' });
    await store.sandboxes.removeTombstones(5001);
    assert.equal(await store.sandboxes.get(sandboxId), undefined);
  });

  test('lifetimes are those that touch the range, of sandboxes that ran', async () => {
    const user = await team('lifetimes');
    await add({ teamId: user, startedAt: 1000, lifecycleId: 'a' });
    await add({ teamId: user, startedAt: 9000, lifecycleId: 'b' });
    await add({ teamId: user, startedAt: 1000 });
    assert.deepEqual(await store.sandboxes.lifetimes(user, { start: 2000, end: 3000 }), [
      { startedAt: 1000, endedAt: undefined },
    ]);
  });

  test('the first team and user are made once, however often and however many ask', async () => {
    const again = await Promise.all([store.teams.ensureFirst(), store.teams.ensureFirst()]);
    for (const { team: same, user } of again) {
      assert.equal(same.teamId, teamId);
      const [membership] = await store.teams.ofUser(user.userId);
      assert.equal(membership?.isDefault, true);
    }
  });

  test('keys are found by hash only, renamed and removed by their own team only', async () => {
    const { user } = await store.teams.ensureFirst();
    const made = await store.keys.addApiKey(teamId, 'one', keyRecord('e2b_secret'), user);
    await store.keys.addApiKey(teamId, 'the same', keyRecord('e2b_secret'), user);
    assert.deepEqual(
      (await store.keys.listApiKeys(teamId)).map((key) => key.name),
      ['one'],
    );
    const found = await store.keys.findApiKey(keyRecord('e2b_secret').hash);
    assert.deepEqual(found, { keyId: made.keyId, teamId });
    const stranger = await team('stranger');
    assert.equal(await store.keys.renameApiKey(stranger, made.keyId, 'mine'), undefined);
    assert.equal(await store.keys.removeApiKey(stranger, made.keyId), false);
    await store.keys.touchApiKey(made.keyId, 77);
    const renamed = await store.keys.renameApiKey(teamId, made.keyId, 'two');
    assert.deepEqual([renamed?.name, renamed?.lastUsedAt, renamed?.createdBy], ['two', 77, user]);
    assert.equal(await store.keys.removeApiKey(teamId, made.keyId), true);
    assert.equal(await store.keys.findApiKey(keyRecord('e2b_secret').hash), undefined);
    const token = await store.keys.addAccessToken(user.userId, 't', keyRecord('sk_e2b_secret'));
    assert.equal((await store.keys.findAccessToken(token.tokenId))?.user, undefined);
    assert.deepEqual((await store.keys.findAccessToken(keyRecord('sk_e2b_secret').hash))?.user, user);
    assert.equal(await store.keys.removeAccessToken('nobody', token.tokenId), false);
    assert.equal(await store.keys.removeAccessToken(user.userId, token.tokenId), true);
  });

  test('settings are kept, and of racing makers one wins', async () => {
    const made = await Promise.all(['a', 'b', 'c'].map((value) => store.settings.getOrMake('race', () => value)));
    assert.equal(new Set(made).size, 1);
    await store.settings.set('race', 'later');
    assert.equal(await store.settings.get('race'), 'later');
    assert.equal(await store.settings.get('unset'), undefined);
  });

  test('uses of a template are counted for each team', async () => {
    await Promise.all([1, 2, 3].map((at) => store.templateUsage.count(teamId, 'counted', at)));
    assert.equal((await store.templateUsage.ofTeam(teamId)).get('counted')?.spawnCount, 3);
  });

  test('what was written is there when the store is opened again', async () => {
    const url = await urlOf('reopened');
    const first = await openStore({ url, logger });
    await first.settings.set('name', 'value');
    await first.close();
    const second = await openStore({ url, logger });
    assert.equal(await second.settings.get('name'), 'value');
    await second.close();
  });
}

describe('the store on SQLite', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-sqlite-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));
  storeTests(async (name) => `sqlite:${join(directory, 'deeper', `${name}.db`)}`);
});

const programs = await findPostgres();
describe('the store on PostgreSQL', { skip: programs === undefined ? POSTGRES_MISSING : false }, () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres(programs ?? '');
  });
  after(() => postgres.close());
  storeTests((name) => postgres.database(name));

  test('the API makes, finds, lists and ends sandboxes on it, over a restart', async () => {
    const atoll = await openTestControl({ storeUrl: await postgres.database('api') });
    try {
      const id = await atoll.create({ metadata: { a: 'b' } });
      await atoll.restart();
      const listed = await atoll.ask('GET /v2/sandboxes?metadata=a%3Db');
      assert.deepEqual([listed.json.length, listed.headers.get('x-total-running')], [1, '1']);
      assert.equal((await atoll.ask(`POST /sandboxes/${id}/timeout`, { timeout: 1000 })).status, 204);
      assert.equal((await atoll.ask(`DELETE /sandboxes/${id}`)).status, 204);
      assert.equal((await atoll.ask(`GET /sandboxes/${id}`)).status, 404);
    } finally {
      await atoll.close();
    }
  });
});

test('a database that is not there is told apart from other failures', async () => {
  const unreachable = openStore({ url: 'postgres://atoll@127.0.0.1:1/none', logger });
  await assert.rejects(unreachable, (error) => error instanceof AtollError && error.code === 'database_unavailable');
});

test('an address that names no database we know is refused by name', async () => {
  await assert.rejects(openStore({ url: 'mysql://x', logger }), /sqlite: or postgres:\/\//);
});
