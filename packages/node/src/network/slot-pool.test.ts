import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DEFAULT_EGRESS } from '@atoll/contract';
import { runCommand } from './command.ts';
import { openTestInternet, openTestPool, runInGuest, serveEcho, testInstance } from './test-network.ts';

/** What of an instance is on the host, by kind. */
async function countOf(instance: string): Promise<Record<string, number>> {
  const [namespaces, links, addresses, tables] = await Promise.all([
    runCommand('ip', ['netns', 'list']),
    runCommand('ip', ['-brief', 'link']),
    runCommand('ip', ['address', 'show', 'dev', 'lo']),
    runCommand('nft', ['list', 'tables']),
  ]);
  const count = (text: string, pattern: string): number => [...text.matchAll(new RegExp(pattern, 'gm'))].length;
  return {
    namespaces: count(namespaces, `^${instance}-\\d+`),
    links: count(links, `^${instance}h\\d+`),
    addresses: count(addresses, `lo:${instance}dns$`),
    tables: count(tables, `atoll_${instance}$`),
  };
}

const NOTHING = { namespaces: 0, links: 0, addresses: 0, tables: 0 };

/** Waits for background work to bring the number of namespaces to what is expected. */
async function untilNamespaces(instance: string, expected: number): Promise<void> {
  const deadline = performance.now() + 5_000;
  while ((await countOf(instance)).namespaces !== expected) {
    assert.ok(performance.now() < deadline, `There never were ${expected} namespaces.`);
  }
}

describe('the slot pool', () => {
  test('fifty slots taken at once from an empty pool differ and all work, and a close removes every trace', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr });
    const slots = await Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
    assert.equal(new Set(slots.map((slot) => slot.index)).size, 50);
    assert.equal(new Set(slots.map((slot) => slot.address)).size, 50);
    const [first, last] = [slots[0], slots[49]];
    assert.ok(first !== undefined && last !== undefined);
    for (const slot of [first, last]) {
      const server = await serveEcho(t, slot.namespacePath, slot.address, [8080]);
      const result = await runInGuest('/proc/self/ns/net', { kind: 'tcp', host: slot.address, port: 8080 });
      assert.equal(result, 'echo');
      await server.close();
    }
    assert.deepEqual(await countOf(instance), { namespaces: 50, links: 50, addresses: 1, tables: 1 });
    await pool.close({ remove: true });
    assert.deepEqual(await countOf(instance), NOTHING);
  });

  test('a full pool hands out at once and fills itself again', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr, poolSize: 3 });
    await untilNamespaces(instance, 3);
    const slot = await pool.acquire();
    await untilNamespaces(instance, 4);
    await pool.release(slot.index);
    await untilNamespaces(instance, 3);
    await pool.close({ remove: true });
    assert.deepEqual(await countOf(instance), NOTHING);
  });

  test('releasing ends all of a slot, and doing it again, twice at once, or for one that never was is no error', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr });
    const slot = await pool.acquire();
    await pool.applyEgress(slot, { ...DEFAULT_EGRESS, denyOut: ['1.1.1.1/32'] });
    await Promise.all([pool.release(slot.index), pool.release(slot.index), pool.release(200)]);
    await pool.release(slot.index);
    assert.deepEqual(await countOf(instance), { namespaces: 0, links: 0, addresses: 1, tables: 1 });
    const rules = await runCommand('nft', ['list', 'table', 'inet', `atoll_${instance}`]);
    assert.ok(!rules.includes(slot.hostInterface) && !rules.includes(`_${slot.index} `), 'no rule of it is left');
    await assert.rejects(pool.applyEgress(slot, DEFAULT_EGRESS), { code: 'conflict' });
    await pool.close({ remove: true });
  });

  test('a small range is used again and again, and refuses what is beyond it', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr: cidr.replace('/24', '/29') });
    for (let round = 0; round < 3; round++) {
      const slots = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
      await assert.rejects(pool.acquire(), { code: 'sandbox_capacity_unavailable' });
      await Promise.all(slots.map((slot) => pool.release(slot.index)));
    }
    await pool.close({ remove: true });
    assert.deepEqual(await countOf(instance), NOTHING);
  });

  test('a slot gets address and route back after a runtime took them', async (t) => {
    const pool = await openTestPool(t);
    const slot = await pool.acquire();
    const guest = ['-n', slot.namespacePath.replace('/run/netns/', '')];
    const state = async (): Promise<string> => {
      const routes = await runCommand('ip', [...guest, 'route']);
      return routes + (await runCommand('ip', [...guest, '-brief', 'address']));
    };
    const before = await state();
    assert.ok(before.includes(slot.address) && before.includes(`default via ${slot.gateway}`));
    await runCommand('ip', [...guest, 'address', 'flush', 'dev', 'eth0']);
    assert.ok(!(await state()).includes(slot.address));
    await pool.prepareForStart(slot);
    assert.equal(await state(), before);
    await pool.prepareForStart(slot);
    assert.equal(await state(), before);
    await pool.close({ remove: true });
  });

  test('guests keep working while our process is away, and the next one adopts or reaps them', async (t) => {
    const internet = await openTestInternet(t, [8080]);
    const { instance, cidr } = testInstance();
    const first = await openTestPool(t, { instance, cidr, poolSize: 2 });
    const [kept, lost, held] = await Promise.all([first.acquire(), first.acquire(), first.acquire()]);
    await first.applyEgress(held, { ...DEFAULT_EGRESS, denyOut: ['0.0.0.0/0'] });
    await first.close({ remove: false });
    const reach = (slot: typeof kept): Promise<string> =>
      runInGuest(slot.namespacePath, { kind: 'tcp', host: internet.site, port: 8080 });
    assert.equal(await reach(kept), 'echo');

    const second = await openTestPool(t, { instance, cidr });
    assert.equal(await reach(kept), 'echo');
    assert.equal(await reach(held), 'ECONNREFUSED', 'its policy outlives us');
    const fresh = await second.acquire();
    assert.ok(fresh.index > held.index, 'what is on the host is not made again');
    assert.deepEqual(await second.adopt(kept.index, { ...DEFAULT_EGRESS, denyOut: ['0.0.0.0/0'] }), kept);
    assert.deepEqual(await second.adopt(held.index, DEFAULT_EGRESS), held);
    assert.equal(await reach(kept), 'ECONNREFUSED');
    assert.equal(await reach(held), 'echo');
    const reaped = await second.reap(new Set([kept.index, held.index, fresh.index]));
    assert.ok(reaped.includes(lost.index) && !reaped.includes(fresh.index));
    assert.deepEqual(await countOf(instance), { namespaces: 3, links: 3, addresses: 1, tables: 1 });
    await assert.rejects(second.adopt(lost.index, DEFAULT_EGRESS), { code: 'not_found' });
    await second.close({ remove: true });
    assert.deepEqual(await countOf(instance), NOTHING);
  });

  test('what half-made slots left is reaped by its name: links, namespaces and rules', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr });
    await runCommand('ip', ['netns', 'add', `${instance}-7`]);
    await runCommand('ip', ['link', 'add', `${instance}h8`, 'type', 'veth', 'peer', 'name', `${instance}p8`]);
    const table = `atoll_${instance}`;
    await runCommand('nft', ['add', 'element', 'inet', table, 'slots', `{ "${instance}h9" . 10.0.0.1 }`]);
    assert.deepEqual(await pool.reap(new Set()), [7, 8, 9]);
    assert.deepEqual(await countOf(instance), { namespaces: 0, links: 0, addresses: 1, tables: 1 });
    await pool.close({ remove: true });
  });

  test('a range that another instance uses is refused, and that instance goes on', async (t) => {
    const { instance, cidr } = testInstance();
    const pool = await openTestPool(t, { instance, cidr });
    await assert.rejects(openTestPool(t, { cidr }), { code: 'invalid_request' });
    await assert.rejects(openTestPool(t, { instance, cidr }), { code: 'conflict' });
    const slot = await pool.acquire();
    assert.ok(slot.address.startsWith('10.'));
    await pool.close({ remove: true });
    await assert.rejects(pool.acquire(), { code: 'shutting_down' });
  });

  test('bad names and ranges are refused', async (t) => {
    for (const bad of [
      { instance: 'UPPER' },
      { instance: 'toolongname' },
      { cidr: '10.0.0.0/31' },
      { cidr: 'fd00::/64' },
    ]) {
      await assert.rejects(openTestPool(t, bad), { code: 'invalid_request' });
    }
  });
});
