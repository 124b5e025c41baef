import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runCommand } from './command.ts';
import { findDroppingTables } from './forwarding.ts';
import { openTestPool, testInstance } from './test-network.ts';

test('a table of another program that drops forwarded packets is found', () => {
  const listing = [
    'table ip filter {',
    '\tchain FORWARD {',
    '\t\ttype filter hook forward priority filter; policy drop;',
    '\t}',
    '}',
    'table inet atoll_a {',
    '\tchain forwarding {',
    '\t\ttype filter hook forward priority filter; policy accept;',
    '\t}',
    '\tchain to_host {',
    '\t\ttype filter hook input priority filter; policy drop;',
    '\t}',
    '}',
  ].join('\n');
  assert.deepEqual(findDroppingTables(listing), ['ip filter']);
});

test('the instance that is removed hands the duty to switch forwarding off to one that stays', async (t) => {
  const [first, second] = [testInstance(), testInstance()];
  const pool = await openTestPool(t, first);
  await openTestPool(t, second);
  const before = await tablesWithDuty();
  await runCommand('nft', ['add', 'chain', 'inet', `atoll_${first.instance}`, 'forwarding_was_off']);
  await pool.close({ remove: true });
  assert.equal((await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8')).trim(), '1');
  const heirs = (await tablesWithDuty()).filter((table) => !before.includes(table));
  // This host's own setting is none of the test's business.
  for (const heir of heirs) await runCommand('nft', ['delete', 'chain', 'inet', heir, 'forwarding_was_off']);
  assert.ok(heirs.length === 1 || before.length > 0);
});

async function tablesWithDuty(): Promise<string[]> {
  const listing = await runCommand('nft', ['list', 'chains', 'inet']);
  return listing
    .split(/^table inet /m)
    .filter((table) => table.includes('forwarding_was_off'))
    .map((table) => table.split(' ')[0] ?? '');
}
