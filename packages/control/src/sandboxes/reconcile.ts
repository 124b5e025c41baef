import { AtollError, type InventoryEntry, type SandboxDied } from '@atoll/contract';
import type { SandboxContext } from './context.ts';
import type { SandboxEnder } from './end.ts';
import type { SandboxRecord } from './record.ts';
import { isOver } from './states.ts';

/**
 * Repairs the rows by what really runs: the node is the truth for that, the store for what was asked. At the start of
 * control (`atStart`) nothing else is under way yet, so that rows which still start are left-overs and are undone.
 */
export async function reconcile(
  context: SandboxContext,
  ender: SandboxEnder,
  options: { atStart: boolean },
): Promise<void> {
  // The rows are read first: what starts between the two reads is in the inventory and not yet among these rows.
  const rows = await context.store.sandboxes.alive();
  const inventory = new Map((await context.node.inventory()).map((entry) => [entry.sandboxId, entry]));
  for (const row of rows) {
    const entry = inventory.get(row.sandboxId);
    switch (row.state) {
      case 'running':
        if (entry === undefined) {
          const known = await context.node.deathOf(row.sandboxId);
          await ender.recordDeath(known ?? lost(row.sandboxId));
        } else if (options.atStart) adopt(context, row, entry);
        break;
      case 'starting':
        if (options.atStart) {
          await ender.undoStart(
            row.sandboxId,
            new AtollError('sandbox_create_failed', 'The server stopped while the sandbox started.'),
          );
        }
        break;
      case 'killing':
        if (options.atStart) await ender.resumeKill(row);
        break;
      default:
        break;
    }
  }
  for (const sandboxId of inventory.keys()) {
    const row = await context.store.sandboxes.get(sandboxId);
    if (row !== undefined && !isOver(row.state)) continue;
    context.logger.warn({ sandboxId }, 'the node runs a sandbox that nobody owns; it is ended');
    context.routes.withdraw(sandboxId);
    await context.node.kill(sandboxId, row?.end?.reason ?? 'killed');
  }
}

/** Takes a sandbox that runs on over our restart: its route, where the node says it is now, and its deadline. */
function adopt(context: SandboxContext, row: SandboxRecord, entry: InventoryEntry): void {
  const route = context.views.route({ ...row, address: entry.address, lifecycleId: entry.lifecycleId });
  if (route !== undefined) context.routes.publish(route);
  context.deadlines.set(row.sandboxId, row.endAt);
}

function lost(sandboxId: string): SandboxDied {
  return { sandboxId, reason: 'node_lost', detail: 'the host does not run it any more' };
}
