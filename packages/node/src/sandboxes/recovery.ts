import { DEFAULT_EGRESS } from '@atoll/contract';
import { undoSteps } from '../journal/run-steps.ts';
import type { NodeParts } from '../node-parts.ts';
import { endOperation } from './end-steps.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { SandboxManifest } from './manifest.ts';
import { startOperations } from './start-steps.ts';

/** What an earlier process left and what became of it. */
export interface Recovery {
  readonly undone: number;
  readonly finished: number;
  readonly adopted: number;
  readonly adoptedReady: number;
  readonly lost: number;
  readonly reaped: readonly string[];
}

/**
 * Brings order after the end of an earlier process, however it ended: finishes or undoes what it had begun, takes over
 * what lives, removes everything else. Must be over before anything new is started.
 */
export async function recover(parts: NodeParts, lifecycle: Lifecycle): Promise<Recovery> {
  const { settings, manifests, runner } = parts;
  const { runtime, disks, slots, logger } = settings;

  // 1. Open operations. Their sandboxes are gone afterwards.
  const { undone, finished } = await closeOperations(parts);

  // 2. What has a manifest, a living guest and a whole disk is taken over.
  const alive = new Set((await runtime.list()).filter((guest) => guest.alive).map((guest) => guest.id));
  const keptIds = new Set<string>();
  const keptSlots = new Set<number>();
  let adoptedReady = 0;
  let lost = 0;
  for (const [id, manifest] of await manifests.list()) {
    if (manifest === undefined) continue;
    const taken = alive.has(id) && (await adopt(parts, lifecycle, manifest));
    if (taken) {
      keptIds.add(id);
      keptSlots.add(manifest.slotIndex);
      if (manifest.assignment === undefined) adoptedReady += 1;
    } else if (manifest.assignment !== undefined) {
      lost += 1;
      await recordLoss(parts, lifecycle, manifest);
    }
  }

  // 3. Whatever nobody owns goes: guests first, they hold the rest.
  const reaped = new Set<string>();
  const reap = async (ids: Iterable<string>, remove: (id: string) => Promise<void>) => {
    for (const id of ids) {
      if (keptIds.has(id)) continue;
      reaped.add(id);
      await remove(id).catch((error: unknown) => {
        logger.error({ err: error, sandboxId: id }, 'Something of a former sandbox could not be removed.');
        runner.onCleanupFailed(() => remove(id));
      });
    }
  };
  await reap(
    (await runtime.list()).map((guest) => guest.id),
    (id) => runtime.kill(id),
  );
  await slots.reap(keptSlots);
  await reap(await disks.list(), (id) => disks.destroy(id));
  await reap((await manifests.list()).keys(), (id) => manifests.remove(id));

  const adopted = keptIds.size - adoptedReady;
  return { undone, finished, adopted, adoptedReady, lost, reaped: [...reaped] };
}

/** Finishes what only goes forward, undoes everything else. An entry stays when that fails, for another try. */
async function closeOperations(parts: NodeParts): Promise<{ undone: number; finished: number }> {
  const { runner, builds } = parts;
  const starts = startOperations(parts);
  const end = endOperation(parts);
  let undone = 0;
  let finished = 0;
  for (const entry of await runner.journal.leftovers()) {
    const context = { subject: entry.subject, facts: entry.facts };
    const close = async () => {
      const start = Object.values(starts).find((operation) => operation.name === entry.operation);
      if (start !== undefined) await undoSteps(start.steps, context);
      else if (entry.operation === 'bake') await builds.remove(entry.subject);
      else if (entry.operation === end.name) {
        const signal = new AbortController().signal;
        for (const step of end.steps) await step.act(context, signal);
      }
      await runner.journal.remove(entry.id);
    };
    if (entry.operation === end.name) finished += 1;
    else undone += 1;
    await close().catch((error: unknown) => {
      runner.logger.error({ err: error, entry: entry.id }, 'Closing an open operation failed; it will be tried again.');
      runner.onCleanupFailed(close);
    });
  }
  return { undone, finished };
}

/** Takes one living guest over; false when it cannot be served any more. */
async function adopt(parts: NodeParts, lifecycle: Lifecycle, manifest: SandboxManifest): Promise<boolean> {
  const { settings, builds } = parts;
  const { slots, disks, runtime, logger } = settings;
  const { sandboxId, assignment, resources } = manifest;
  try {
    const disk = await disks.adopt(sandboxId);
    if (disk === undefined) return false;
    if (assignment === undefined && (settings.poolSize === 0 || !builds.has(manifest.buildId))) return false;
    const slot = await slots.adopt(manifest.slotIndex, assignment?.spec.egress ?? DEFAULT_EGRESS);
    const guest = { id: sandboxId, shape: { buildId: manifest.buildId, resources }, slot, disk };
    if (assignment === undefined) await runtime.freeze(sandboxId);
    lifecycle.adopt(guest, assignment);
    const running = parts.table.running(sandboxId);
    if (running !== undefined) running.oomKillsSeen = (await runtime.usage(sandboxId)).oomKills;
    return true;
  } catch (error) {
    logger.error({ err: error, sandboxId }, 'A living sandbox could not be taken over and is ended.');
    return false;
  }
}

/** A sandbox that ended while no process of ours was there to see it. */
async function recordLoss(parts: NodeParts, lifecycle: Lifecycle, manifest: SandboxManifest): Promise<void> {
  const { sandboxId, assignment } = manifest;
  if (assignment === undefined) return;
  const rebooted = manifest.hostBootId !== parts.hostBootId;
  const reason = rebooted ? 'node_lost' : 'crashed';
  const detail = rebooted ? 'The host was restarted.' : 'The guest ended while the node was not running.';
  const { teamId } = assignment.spec;
  await parts.tombstones.write({ sandboxId, teamId, reason, detail, endedAt: Date.now() });
  lifecycle.announce({ sandboxId, reason, detail });
}
