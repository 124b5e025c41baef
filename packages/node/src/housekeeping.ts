import { statfs } from 'node:fs/promises';
import { AtollError } from '@atoll/contract';
import { cpuPercentBetween, type HostCpuTimes, readHostCpuTimes } from './describe.ts';
import type { NodeParts } from './node-parts.ts';
import { readHostMemory } from './pool/memory-pressure.ts';
import type { Sampler } from './records/sampler.ts';
import type { DeathWatch } from './sandboxes/death-watch.ts';
import type { Lifecycle } from './sandboxes/lifecycle.ts';
import type { LiveSandbox } from './sandboxes/sandbox-table.ts';
import { removeExpired } from './sandboxes/tombstones.ts';

/** Below this much free on the disk of the data directory no sandbox is started, in bytes: its files must go somewhere. */
const MIN_FREE_DISK_BYTES = 256 * 1024 * 1024;

/** Below this much available memory no sandbox is started, in bytes: an idle guest takes about 30 MB. */
const MIN_FREE_MEMORY_BYTES = 96 * 1024 * 1024;

/** How long a reading of disk and memory is believed, in milliseconds. */
const ROOM_FRESH_MS = 1_000;

/** How long one look at one guest's log may take, in milliseconds. */
const LOG_DEADLINE_MS = 1_000;

/** Guests looked at at once, so that a thousand of them are no burst. */
const AT_ONCE = 8;

const CLEANUP_INTERVAL_MS = 10_000;
const EXPIRY_INTERVAL_MS = 60 * 60_000;

/** Everything a node does at regular intervals. Each task never overlaps itself. */
export class Housekeeping {
  readonly #parts: NodeParts;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #busy = new Set<Promise<void>>();
  readonly #tasks: readonly { readonly everyMs: number; readonly run: () => Promise<void> }[];
  #cpu: HostCpuTimes = { busy: 0, total: 0 };
  #room: { readAt: number; problem: AtollError | undefined } = { readAt: 0, problem: undefined };
  /** Of the host, over the last interval, 0..100. */
  cpuPercent = 0;

  constructor(
    parts: NodeParts,
    work: {
      readonly lifecycle: Lifecycle;
      readonly sampler: Sampler;
      readonly watch: DeathWatch;
      /** Removals that failed; each is tried until it succeeds. */
      readonly cleanups: Set<() => Promise<void>>;
    },
  ) {
    this.#parts = parts;
    const { settings, folders, table } = parts;
    const { lifecycle, sampler, watch, cleanups } = work;
    const eachRunning = (look: (sandbox: LiveSandbox) => Promise<void>) => this.#eachOf([...table.allRunning()], look);
    this.#tasks = [
      { everyMs: settings.watchIntervalMs, run: () => watch.look() },
      { everyMs: settings.metricsIntervalMs, run: () => eachRunning((sandbox) => sampler.sample(sandbox)) },
      { everyMs: settings.metricsIntervalMs, run: () => this.#readCpu() },
      {
        everyMs: settings.logIntervalMs,
        run: () => eachRunning((sandbox) => lifecycle.pullLog(sandbox, AbortSignal.timeout(LOG_DEADLINE_MS))),
      },
      {
        everyMs: CLEANUP_INTERVAL_MS,
        run: () =>
          this.#eachOf([...cleanups], async (attempt) => {
            await attempt();
            cleanups.delete(attempt);
          }),
      },
      {
        everyMs: EXPIRY_INTERVAL_MS,
        async run() {
          await removeExpired(folders.tombstones, () => false);
          await removeExpired(folders.logs, (sandboxId) => table.get(sandboxId) !== undefined);
        },
      },
    ];
  }

  async open(): Promise<void> {
    this.#cpu = await readHostCpuTimes();
    for (const { everyMs, run } of this.#tasks) {
      let over = true;
      const timer = setInterval(() => {
        if (!over) return;
        over = false;
        const work = run()
          .catch((error: unknown) => this.#parts.settings.logger.error({ err: error }, 'A regular task failed.'))
          .finally(() => {
            over = true;
            this.#busy.delete(work);
          });
        this.#busy.add(work);
      }, everyMs);
      this.#timers.push(timer);
    }
  }

  /** Throws `disk_full` or `sandbox_capacity_unavailable` when this host should not start anything now. */
  async refuseWithoutRoom(): Promise<void> {
    if (Date.now() - this.#room.readAt > ROOM_FRESH_MS) {
      this.#room = { readAt: Date.now(), problem: await this.#findProblem() };
    }
    if (this.#room.problem !== undefined) throw this.#room.problem;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#busy);
  }

  async #findProblem(): Promise<AtollError | undefined> {
    const { dataDir } = this.#parts.settings;
    const [disk, memory] = await Promise.all([statfs(dataDir), readHostMemory()]);
    if (disk.bavail * disk.bsize < MIN_FREE_DISK_BYTES) {
      return new AtollError('disk_full', `The host's disk with ${dataDir} is full.`);
    }
    if (memory.availableBytes < MIN_FREE_MEMORY_BYTES) {
      return new AtollError('sandbox_capacity_unavailable', 'The host has no memory left for another sandbox.', {
        retryAfterSeconds: 5,
      });
    }
    return undefined;
  }

  async #readCpu(): Promise<void> {
    const now = await readHostCpuTimes();
    this.cpuPercent = cpuPercentBetween(this.#cpu, now);
    this.#cpu = now;
  }

  /** Looks at many things, some at a time. One that fails does not keep the others from being looked at. */
  async #eachOf<T>(things: readonly T[], look: (thing: T) => Promise<void>): Promise<void> {
    const rest = [...things];
    const worker = async () => {
      for (let thing = rest.shift(); thing !== undefined; thing = rest.shift()) {
        await look(thing).catch((error: unknown) => {
          // A guest that has just ended is no news; what stays is told by the death watch.
          this.#parts.settings.logger.debug({ err: error }, 'A regular look at something failed.');
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
}
