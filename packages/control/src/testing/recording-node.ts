import { randomUUID } from 'node:crypto';
import {
  AtollError,
  type BuildSummary,
  DEFAULT_RESOURCES,
  type DeathReason,
  type EgressPolicy,
  ENVD_VERSION,
  type InventoryEntry,
  type LogQuery,
  type NodeApi,
  type NodeDescription,
  newSandboxId,
  type RunningSandbox,
  type SandboxDied,
  type SandboxLogEntry,
  type SandboxMetric,
  type SandboxSpec,
} from '@atoll/contract';

/** The build that a {@link RecordingNode} offers as `base`. */
export const BASE_BUILD: BuildSummary = {
  buildId: '11111111-2222-4333-8444-555555555555',
  templateId: 'base0000000000000000',
  aliases: ['base', 'e2bdev/base'],
  resources: DEFAULT_RESOURCES,
  createdAt: Date.UTC(2026, 0, 1),
  envdVersion: ENVD_VERSION,
};

/**
 * A node for control's own tests: it runs nothing, keeps what it was asked for, and does on demand what nodes do
 * (be slow, refuse, lose a sandbox). What a real node does is proven with a real node, in conformance/.
 */
export class RecordingNode implements NodeApi {
  readonly running = new Map<string, InventoryEntry>();
  readonly kills: { sandboxId: string; reason: DeathReason }[] = [];
  readonly egressUpdates: { sandboxId: string; egress: EgressPolicy }[] = [];
  readonly metricsAsked: { start: number; end: number }[] = [];
  readonly logQueries: LogQuery[] = [];
  samples: SandboxMetric[] = [];
  logEntries: SandboxLogEntry[] = [];
  readonly deaths = new Map<string, SandboxDied>();
  /** What `start` waits for before it goes on. */
  beforeStart: (spec: SandboxSpec, signal: AbortSignal) => Promise<void> = async () => {};
  /** What `kill` waits for before it goes on. */
  beforeKill: (sandboxId: string) => Promise<void> = async () => {};
  readonly #listeners = new Set<(death: SandboxDied) => void>();

  async deathOf(sandboxId: string): Promise<SandboxDied | undefined> {
    return this.deaths.get(sandboxId);
  }

  async reserve(): Promise<{ sandboxId: string }> {
    return { sandboxId: newSandboxId() };
  }

  async start(spec: SandboxSpec, signal: AbortSignal): Promise<RunningSandbox> {
    await this.beforeStart(spec, signal);
    signal.throwIfAborted();
    const entry = {
      sandboxId: spec.sandboxId,
      address: '127.0.0.1',
      lifecycleId: randomUUID(),
      spec,
      startedAt: Date.now(),
    };
    this.running.set(spec.sandboxId, entry);
    return { sandboxId: entry.sandboxId, address: entry.address, lifecycleId: entry.lifecycleId };
  }

  async kill(sandboxId: string, reason: DeathReason): Promise<void> {
    await this.beforeKill(sandboxId);
    this.kills.push({ sandboxId, reason });
    this.running.delete(sandboxId);
  }

  async updateEgress(sandboxId: string, egress: EgressPolicy): Promise<void> {
    if (!this.running.has(sandboxId)) throw new AtollError('sandbox_not_found', 'The node does not run it.');
    this.egressUpdates.push({ sandboxId, egress });
  }

  async metrics(_sandboxId: string, range: { start: number; end: number }): Promise<SandboxMetric[]> {
    this.metricsAsked.push(range);
    return this.samples.filter((sample) => sample.timestamp >= range.start && sample.timestamp <= range.end);
  }

  async latestMetrics(sandboxIds: readonly string[]): Promise<Map<string, SandboxMetric>> {
    const last = this.samples.at(-1);
    return new Map(last === undefined ? [] : sandboxIds.map((sandboxId) => [sandboxId, last]));
  }

  async logs(_sandboxId: string, query: LogQuery): Promise<SandboxLogEntry[]> {
    this.logQueries.push(query);
    return this.logEntries;
  }

  async inventory(): Promise<InventoryEntry[]> {
    return [...this.running.values()];
  }

  async builds(): Promise<BuildSummary[]> {
    return [BASE_BUILD];
  }

  async describe(): Promise<NodeDescription> {
    return {
      nodeId: 'recording',
      runtime: 'none',
      runtimeVersion: '0',
      cpuCount: 2,
      cpuModelName: 'none',
      cpuPercent: 0,
      memoryTotalBytes: 1,
      memoryUsedBytes: 0,
      allocatedCpu: 0,
      allocatedMemoryBytes: 0,
      sandboxCount: this.running.size,
      sandboxStartingCount: 0,
      createSuccesses: 0,
      createFails: 0,
      disks: [],
    };
  }

  onDeath(listener: (death: SandboxDied) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lets a sandbox end by itself. */
  lose(sandboxId: string, reason: DeathReason, detail: string): void {
    this.running.delete(sandboxId);
    for (const listener of this.#listeners) listener({ sandboxId, reason, detail });
  }
}
