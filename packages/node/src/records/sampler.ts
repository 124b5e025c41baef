import type { SandboxMetric } from '@atoll/contract';
import type { GuestUsage } from '@atoll/runtime';
import type { NodeParts } from '../node-parts.ts';
import type { LiveSandbox } from '../sandboxes/sandbox-table.ts';
import { isDiskFull } from './disk-fullness.ts';

const MIB = 1024 * 1024;

/** Takes samples of what sandboxes use, and reports in their logs when they hit a limit. */
export class Sampler {
  readonly #parts: NodeParts;
  /** CPU time at the last sample, for the share since then. */
  readonly #lastCpu = new WeakMap<LiveSandbox, { at: bigint; cpuNanoseconds: number }>();
  /** Reported as full, and not free again since. */
  readonly #diskFull = new WeakSet<LiveSandbox>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  /** The starting point of the first sample's CPU share. */
  async begin(sandbox: LiveSandbox): Promise<void> {
    const usage = await this.#parts.settings.runtime.usage(sandbox.id);
    this.#cpuShare(sandbox, usage);
  }

  /** Takes one sample of a sandbox. Frozen guests of the pool are never sampled: nobody asks about them. */
  async sample(sandbox: LiveSandbox): Promise<void> {
    const { runtime, disks } = this.#parts.settings;
    const [usage, disk] = await Promise.all([runtime.usage(sandbox.id), disks.usage(sandbox.id)]);
    if (this.#parts.table.running(sandbox.id) !== sandbox) return;
    const { cpuCount, memoryMiB } = sandbox.shape.resources;
    const sample: SandboxMetric = {
      timestamp: Date.now(),
      cpuCount,
      cpuUsedPct: this.#cpuShare(sandbox, usage),
      memUsed: usage.memoryBytes,
      memTotal: memoryMiB * MIB,
      memCache: usage.cacheBytes,
      diskUsed: disk.usedBytes,
      diskTotal: disk.totalBytes,
    };
    await sandbox.metrics.add(sample);
    await this.#reportMemory(sandbox, usage);
    await this.#reportDisk(sandbox, disk);
  }

  /** Reports in the sandbox's log when guest processes were ended for want of memory since the last look. */
  async lookAtMemory(sandbox: LiveSandbox): Promise<void> {
    await this.#reportMemory(sandbox, await this.#parts.settings.runtime.usage(sandbox.id));
  }

  async #reportMemory(sandbox: LiveSandbox, usage: GuestUsage): Promise<void> {
    const ended = usage.oomKills - sandbox.oomKillsSeen;
    sandbox.oomKillsSeen = usage.oomKills;
    if (ended <= 0) return;
    const { memoryMiB } = sandbox.shape.resources;
    await sandbox.log.report(
      'error',
      `Out of memory: a process was ended because the sandbox reached its limit of ${memoryMiB} MiB. ` +
        'Use less memory at once, or start from a template with more memory.',
      { limit: 'memory', limitMiB: String(memoryMiB), processesEnded: String(ended) },
    );
  }

  async #reportDisk(sandbox: LiveSandbox, disk: { usedBytes: number; totalBytes: number }): Promise<void> {
    if (!isDiskFull(disk)) this.#diskFull.delete(sandbox);
    else if (!this.#diskFull.has(sandbox)) {
      this.#diskFull.add(sandbox);
      await this.#reportFullDisk(sandbox);
    }
  }

  async #reportFullDisk(sandbox: LiveSandbox): Promise<void> {
    const { diskMiB } = sandbox.shape.resources;
    await sandbox.log.report(
      'error',
      `Disk full: the sandbox has used its ${diskMiB} MiB. Delete files, or start from a template with a larger disk.`,
      { limit: 'disk', limitMiB: String(diskMiB) },
    );
  }

  /** Percent of all the cores the sandbox has, 0..100 with two decimals, since the last call. */
  #cpuShare(sandbox: LiveSandbox, usage: GuestUsage): number {
    const now = { at: process.hrtime.bigint(), cpuNanoseconds: usage.cpuNanoseconds };
    const last = this.#lastCpu.get(sandbox);
    this.#lastCpu.set(sandbox, now);
    if (last === undefined || now.at === last.at) return 0;
    const cores = sandbox.shape.resources.cpuCount || 1;
    const share = (now.cpuNanoseconds - last.cpuNanoseconds) / Number(now.at - last.at) / cores;
    return Math.round(Math.min(Math.max(share, 0), 1) * 10_000) / 100;
  }
}
