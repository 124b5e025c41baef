import { createBatchQueue } from './batch-queue.ts';
import { CommandFailed, runCommand } from './command.ts';
import type { SlotLayout } from './slot-layout.ts';

/** The instance's nftables table. Changes asked for at the same moment go to the kernel in one transaction. */
export interface Firewall {
  /** In force when it settles; nothing of it is when it throws. */
  apply(rules: string): Promise<void>;
  /** Indexes of the slots that the table lets in. Empty when there is no table. */
  claimedSlots(): Promise<number[]>;
  /** Removes the table and with it everything of the instance. Not an error when there is none. */
  remove(): Promise<void>;
}

export function openFirewall(layout: SlotLayout): Firewall {
  const queue = createBatchQueue<string>(async (transactions) => {
    await runCommand('nft', ['-f', '-'], transactions.join(''));
  });
  return {
    apply: (rules) => queue.add(rules),
    claimedSlots: async () => {
      const listing = await listTable(layout.table);
      const names = listing.matchAll(/"([a-z0-9]+)" \. \d/g);
      return [...names].flatMap(([, name = '']) => layout.indexOfInterface(name) ?? []);
    },
    remove: async () => {
      await queue.idle();
      await runCommand('nft', ['-f', '-'], `table inet ${layout.table} { }\ndelete table inet ${layout.table}\n`);
    },
  };
}

/** The table as text; empty when there is none. */
async function listTable(table: string): Promise<string> {
  try {
    return await runCommand('nft', ['list', 'set', 'inet', table, 'slots']);
  } catch (error) {
    if (error instanceof CommandFailed && error.stderr.includes('No such file or directory')) return '';
    throw error;
  }
}
