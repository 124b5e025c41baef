import type { NodeParts } from '../node-parts.ts';
import { isDiskFull } from '../records/disk-fullness.ts';
import type { Ending } from './end-steps.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { LiveSandbox } from './sandbox-table.ts';

/** Looks at regular intervals whether every guest still lives, and removes what the dead ones had. */
export class DeathWatch {
  readonly #parts: NodeParts;
  readonly #lifecycle: Lifecycle;

  constructor(parts: NodeParts, lifecycle: Lifecycle) {
    this.#parts = parts;
    this.#lifecycle = lifecycle;
  }

  async look(): Promise<void> {
    const { table, settings } = this.#parts;
    const { runtime } = settings;
    for (const sandbox of [...table.allRunning()]) {
      if (await runtime.isAlive(sandbox.id)) continue;
      // It may have been killed while we looked.
      if (table.running(sandbox.id) !== sandbox) continue;
      const ending = await this.#causeOf(sandbox);
      settings.logger.warn({ sandboxId: sandbox.id, ...ending }, 'A sandbox ended by itself.');
      await this.#lifecycle.died(sandbox, ending);
    }
    for (const [id, { guest }] of [...table.in('pooled')]) {
      if (await runtime.isAlive(guest.id)) continue;
      if (table.get(id)?.kind !== 'pooled') continue;
      settings.logger.warn({ sandboxId: id }, 'A ready guest of the pool ended by itself.');
      await this.#lifecycle.end(id, { reason: 'crashed', detail: 'The guest ended by itself.' });
    }
  }

  /** What can still be seen of a dead guest. */
  async #causeOf(sandbox: LiveSandbox): Promise<Ending> {
    const { runtime, disks } = this.#parts.settings;
    const { memoryMiB, diskMiB } = sandbox.shape.resources;
    const usage = await runtime.usage(sandbox.id).catch(() => undefined);
    if (usage !== undefined && usage.oomKills > sandbox.oomKillsSeen) {
      return { reason: 'oom', detail: `The sandbox needed more than its ${memoryMiB} MiB of memory.` };
    }
    const disk = await disks.usage(sandbox.id).catch(() => undefined);
    if (disk !== undefined && isDiskFull(disk)) {
      return { reason: 'disk_full', detail: `The sandbox had filled its disk of ${diskMiB} MiB.` };
    }
    return { reason: 'crashed', detail: 'The guest ended without being asked to.' };
  }
}
