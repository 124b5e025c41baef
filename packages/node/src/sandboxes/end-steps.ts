import type { DeathReason } from '@atoll/contract';
import type { JournalFacts } from '../journal/journal.ts';
import type { Operation, Step, StepContext } from '../journal/run-steps.ts';
import type { NodeParts } from '../node-parts.ts';

/** Why a sandbox ends. */
export interface Ending {
  readonly reason: DeathReason;
  /** For people: what was seen. */
  readonly detail: string;
}

/**
 * The operation that ends a sandbox. It is never undone: a later process finishes it, so each step may run twice, and
 * all it needs is in the facts.
 */
export function endOperation(parts: NodeParts): Operation<StepContext> {
  const { runtime, slots, disks } = parts.settings;

  const recordReason: Step<StepContext> = {
    name: 'reason',
    async act({ subject, facts }) {
      const { teamId, reason, detail, endedAt } = facts;
      // A guest of the pool belonged to nobody: nobody will ask what became of it.
      if (typeof teamId !== 'string') return;
      await parts.tombstones.write({
        sandboxId: subject,
        teamId,
        // Written by `endFacts` only.
        reason: reason as DeathReason,
        detail: String(detail),
        endedAt: Number(endedAt),
      });
    },
  };

  const endGuest: Step<StepContext> = { name: 'guest', act: ({ subject }) => runtime.kill(subject) };

  const freePlaces: Step<StepContext> = {
    name: 'places',
    async act({ subject, facts }) {
      const slotIndex = Number(facts.slotIndex);
      const results = await Promise.allSettled([slots.release(slotIndex), disks.destroy(subject)]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
  };

  const removeFolder: Step<StepContext> = { name: 'folder', act: ({ subject }) => parts.manifests.remove(subject) };

  return { name: 'end', steps: [recordReason, endGuest, freePlaces, removeFolder] };
}

/** What {@link endOperation} needs to know, as the journal keeps it. */
export function endFacts(slotIndex: number, ending: Ending, teamId: string | undefined): JournalFacts {
  return {
    slotIndex,
    reason: ending.reason,
    detail: ending.detail,
    endedAt: Date.now(),
    ...(teamId === undefined ? {} : { teamId }),
  };
}
