import { readFile, writeFile } from 'node:fs/promises';
import { CommandFailed, runCommand } from './command.ts';
import type { SlotLayout } from './slot-layout.ts';

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';

/**
 * An empty chain that says "this host did not forward before us". It lives in the table, so it is gone when a reboot has
 * reset the switch as well.
 */
const WAS_OFF = 'forwarding_was_off';

/** Lets the host pass packets on, and remembers in the instance's table when it did not before. */
export async function enableForwarding(layout: SlotLayout): Promise<void> {
  if ((await readFile(IP_FORWARD, 'utf8')).trim() !== '0') return;
  await runCommand('nft', ['add', 'chain', 'inet', layout.table, WAS_OFF]);
  await writeFile(IP_FORWARD, '1');
}

/** Undoes {@link enableForwarding}, unless another instance on this host needs it: that one inherits the duty. */
export async function restoreForwarding(layout: SlotLayout): Promise<void> {
  if (!(await chainExists(layout.table, WAS_OFF))) return;
  const tables = await runCommand('nft', ['list', 'tables', 'inet']);
  for (const [, heir] of tables.matchAll(/^table inet (atoll_[a-z0-9]+)$/gm)) {
    if (heir !== undefined && heir !== layout.table && (await handDutyTo(heir))) return;
  }
  await writeFile(IP_FORWARD, '0');
}

/** False when that instance went away in the meantime. */
async function handDutyTo(table: string): Promise<boolean> {
  try {
    await runCommand('nft', ['add', 'chain', 'inet', table, WAS_OFF]);
    return true;
  } catch (error) {
    if (error instanceof CommandFailed && !(await tableExists(table))) return false;
    throw error;
  }
}

/**
 * What on this host keeps guests from the internet, for people; empty when nothing is known to. A verdict of ours lets
 * a packet pass our table only: another one that drops forwarded packets by default (Docker's, firewalld's) still does.
 */
export async function explainForwarding(): Promise<string[]> {
  const findings: string[] = [];
  if ((await readFile(IP_FORWARD, 'utf8')).trim() === '0') {
    findings.push('This host forwards no packets (net.ipv4.ip_forward is 0). It is switched on when Atoll starts.');
  }
  for (const table of findDroppingTables(await runCommand('nft', ['list', 'chains']))) {
    findings.push(
      `The nftables table "${table}" drops forwarded packets by default, so sandboxes reach no internet. ` +
        'Accept packets from and to the sandboxes there (with Docker: in the chain DOCKER-USER).',
    );
  }
  return findings;
}

/** The tables of a `nft list chains` that drop what they forward unless a rule accepts it; none of ours does. */
export function findDroppingTables(listing: string): string[] {
  const tables: string[] = [];
  let table = '';
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    if (/hook forward .*policy drop/.test(line)) tables.push(table);
  }
  return tables;
}

function chainExists(table: string, chain: string): Promise<boolean> {
  return succeeds(['list', 'chain', 'inet', table, chain]);
}

function tableExists(table: string): Promise<boolean> {
  return succeeds(['list', 'table', 'inet', table]);
}

/** Whether nft finds what it is asked to list. */
async function succeeds(question: readonly string[]): Promise<boolean> {
  try {
    await runCommand('nft', question);
    return true;
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}
