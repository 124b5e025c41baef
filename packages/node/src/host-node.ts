import { readFile } from 'node:fs/promises';
import {
  AtollError,
  type BuildSummary,
  type DeathReason,
  type EgressPolicy,
  type InventoryEntry,
  type LogQuery,
  type NodeApi,
  type NodeDescription,
  type Resources,
  type RunningSandbox,
  type SandboxDied,
  type SandboxLogEntry,
  type SandboxMetric,
  type SandboxSpec,
} from '@atoll/contract';
import { type BakeRequest, bakeBuild as bake } from './builds/bake.ts';
import { BuildStore } from './builds/build-store.ts';
import { describeHost } from './describe.ts';
import { makeFolders } from './folders.ts';
import { readGuestBundle } from './guest/bundle.ts';
import { Housekeeping } from './housekeeping.ts';
import { Journal } from './journal/journal.ts';
import type { NodeParts } from './node-parts.ts';
import { type NodeOptions, settingsFrom } from './options.ts';
import { readHostMemory } from './pool/memory-pressure.ts';
import { ReadyPool } from './pool/ready-pool.ts';
import { Sampler } from './records/sampler.ts';
import { SandboxLog } from './records/sandbox-log.ts';
import { DeathWatch } from './sandboxes/death-watch.ts';
import { Lifecycle } from './sandboxes/lifecycle.ts';
import { ManifestStore } from './sandboxes/manifest.ts';
import { recover } from './sandboxes/recovery.ts';
import { type LiveSandbox, SandboxTable } from './sandboxes/sandbox-table.ts';
import { Starter } from './sandboxes/starter.ts';
import { Tombstones } from './sandboxes/tombstones.ts';

/** How long fetching a guest's newest log lines may hold up an answer, in milliseconds. */
const FRESH_LOG_DEADLINE_MS = 500;

const WHY: Readonly<Record<DeathReason, string>> = {
  killed: 'It was killed on request.',
  timeout: 'Its time was over.',
  oom: 'It ran out of memory.',
  disk_full: 'It ran out of disk.',
  crashed: 'It crashed.',
  node_lost: 'Its host was lost.',
  start_failed: 'Its start failed.',
  shutdown: 'The server was shut down.',
};

/** A node in this process: what control asks of it, and what its owner does with it. */
export interface HostNode extends NodeApi {
  /** Makes a build of finished layers and publishes it. */
  bakeBuild(
    request: BakeRequest,
    options?: { onProgress?: (message: string) => void; signal?: AbortSignal },
  ): Promise<BuildSummary>;
  /** Removes a build that no sandbox runs from; throws `conflict` while one does. */
  removeBuild(buildId: string): Promise<void>;
  /** Guests that are ready to be handed out, and those in the making. */
  pool(): { ready: number; filling: number };
  /** Stops. Sandboxes go on running for the next process to take over, or end and leave nothing behind. */
  close(options: { endSandboxes: boolean }): Promise<void>;
}

/** Opens a node: recovers what an earlier process left (however it ended), then serves. */
export async function openNode(options: NodeOptions): Promise<HostNode> {
  const settings = settingsFrom(options, (await readHostMemory()).totalBytes);
  const { runtime, slots } = settings;
  const logger = settings.logger.child({ component: 'node' });
  const folders = await makeFolders(settings.dataDir);
  const bundle = await readGuestBundle(settings.guestBundle);
  const here = { runtime: runtime.name, runtimeVersion: runtime.version, bundleDigest: bundle.digest };
  const builds = new BuildStore(folders, here, logger);
  await builds.load();

  const cleanups = new Set<() => Promise<void>>();
  const parts: NodeParts = {
    settings: { ...settings, logger },
    folders,
    bundle,
    builds,
    manifests: new ManifestStore(folders.sandboxes),
    tombstones: new Tombstones(folders.tombstones),
    table: new SandboxTable(),
    runner: {
      journal: new Journal(folders.journal),
      logger,
      crashAt: settings.crashAt,
      onCleanupFailed: (attempt) => cleanups.add(attempt),
    },
    hostBootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  };
  const { table } = parts;
  const starter = new Starter(parts);
  const lifecycle = new Lifecycle(parts, starter);
  const recovery = await recover(parts, lifecycle);
  logger.info(recovery, 'The node is in order.');

  const pool = new ReadyPool(parts, lifecycle);
  lifecycle.useSource(pool);
  const sampler = new Sampler(parts);
  const housekeeping = new Housekeeping(parts, {
    lifecycle,
    sampler,
    watch: new DeathWatch(parts, lifecycle),
    cleanups,
  });
  await housekeeping.open();
  pool.open();
  const baking = new Set<Promise<unknown>>();
  const closing = new AbortController();

  function running(sandboxId: string): LiveSandbox {
    const sandbox = table.running(sandboxId);
    if (sandbox === undefined) throw new AtollError('sandbox_not_found', `Sandbox ${sandboxId} does not run here.`);
    return sandbox;
  }

  return {
    async reserve(request: { buildId: string; resources: Resources }, signal: AbortSignal) {
      signal.throwIfAborted();
      const { buildId, resources } = request;
      await housekeeping.refuseWithoutRoom();
      return lifecycle.reserve({ buildId, resources });
    },

    start: (spec: SandboxSpec, signal: AbortSignal): Promise<RunningSandbox> => lifecycle.start(spec, signal),

    kill: (sandboxId: string, reason: DeathReason) => lifecycle.end(sandboxId, { reason, detail: WHY[reason] }),

    async updateEgress(sandboxId: string, egress: EgressPolicy) {
      const sandbox = running(sandboxId);
      await slots.applyEgress(sandbox.slot, egress);
      await lifecycle.rememberEgress(sandbox, egress);
    },

    async metrics(sandboxId: string, range: { start: number; end: number }): Promise<SandboxMetric[]> {
      return (await table.running(sandboxId)?.metrics.between(range)) ?? [];
    },

    async latestMetrics(sandboxIds: readonly string[]) {
      const latest = new Map<string, SandboxMetric>();
      for (const sandboxId of sandboxIds) {
        const sample = await table.running(sandboxId)?.metrics.latest();
        if (sample !== undefined) latest.set(sandboxId, sample);
      }
      return latest;
    },

    async logs(sandboxId: string, query: LogQuery): Promise<SandboxLogEntry[]> {
      const sandbox = table.running(sandboxId);
      if (sandbox === undefined) return new SandboxLog(folders.logs, sandboxId).query(query);
      // What is there is answered even when the guest does not answer now.
      const fresh = [
        lifecycle.pullLog(sandbox, AbortSignal.timeout(FRESH_LOG_DEADLINE_MS)),
        sampler.lookAtMemory(sandbox),
      ];
      await Promise.allSettled(fresh);
      return sandbox.log.query(query);
    },

    inventory(): Promise<InventoryEntry[]> {
      const entries = [...table.allRunning()].map(({ id, slot, assignment }) => ({
        sandboxId: id,
        address: slot.address,
        lifecycleId: assignment.lifecycleId,
        spec: assignment.spec,
        startedAt: assignment.startedAt,
      }));
      return Promise.resolve(entries);
    },

    builds: () => Promise.resolve(builds.list()),

    async describe(): Promise<NodeDescription> {
      const live = [...table.allRunning()];
      const memoryMiB = live.reduce((sum, { shape }) => sum + shape.resources.memoryMiB, 0);
      return {
        nodeId: settings.instance,
        runtime: runtime.name,
        runtimeVersion: runtime.version,
        ...(await describeHost(settings.dataDir)),
        cpuPercent: housekeeping.cpuPercent,
        allocatedCpu: live.reduce((sum, { shape }) => sum + shape.resources.cpuCount, 0),
        allocatedMemoryBytes: memoryMiB * 1024 * 1024,
        sandboxCount: live.length,
        sandboxStartingCount: table.count('starting'),
        createSuccesses: lifecycle.createSuccesses,
        createFails: lifecycle.createFails,
      };
    },

    onDeath: (listener: (death: SandboxDied) => void) => lifecycle.onDeath(listener),

    async bakeBuild(request, { onProgress = () => undefined, signal = closing.signal } = {}) {
      const baked = bake(parts, starter, request, onProgress, AbortSignal.any([signal, closing.signal]));
      baking.add(baked);
      try {
        return await baked;
      } finally {
        baking.delete(baked);
        pool.heatWarmBuilds();
      }
    },

    async removeBuild(buildId) {
      builds.get(buildId);
      await pool.giveUpBuild(buildId);
      const user = [...table.allRunning()].find(({ shape }) => shape.buildId === buildId);
      if (user !== undefined) throw new AtollError('conflict', `Sandbox ${user.id} runs from build ${buildId}.`);
      await builds.remove(buildId);
    },

    async deathOf(sandboxId) {
      const tombstone = await parts.tombstones.read(sandboxId);
      return tombstone && { sandboxId, reason: tombstone.reason, detail: tombstone.detail };
    },

    pool: () => ({ ready: table.count('pooled'), filling: table.count('filling') }),

    async close({ endSandboxes }) {
      closing.abort(new AtollError('shutting_down', 'The node is stopping.'));
      await Promise.allSettled(baking);
      await pool.close();
      await lifecycle.close();
      await housekeeping.close();
      if (endSandboxes) await lifecycle.endAll({ reason: 'shutdown', detail: WHY.shutdown });
    },
  };
}

/** Makes a build on a node; see {@link HostNode.bakeBuild}. */
export function bakeBuild(
  node: HostNode,
  request: BakeRequest,
  onProgress: (message: string) => void = () => undefined,
): Promise<BuildSummary> {
  return node.bakeBuild(request, { onProgress });
}
