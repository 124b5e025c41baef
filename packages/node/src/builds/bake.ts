import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import {
  AtollError,
  type BuildSummary,
  DEFAULT_RESOURCES,
  ENVD_VERSION,
  newSandboxId,
  type Resources,
} from '@atoll/contract';
import { runSteps, type Step, type StepContext } from '../journal/run-steps.ts';
import { PARTIAL_SUFFIX } from '../json-file.ts';
import type { NodeParts } from '../node-parts.ts';
import type { ReadyGuest } from '../sandboxes/sandbox-table.ts';
import type { Starter } from '../sandboxes/starter.ts';
import { type BuildManifest, describeImage, type StartMode } from './build-manifest.ts';

/** How often each way to start is tried; the median counts. */
const TRIALS = 5;

const execute = promisify(execFile);

/** What a build is made from. */
export interface BakeRequest {
  readonly templateId: string;
  readonly aliases: readonly string[];
  /** Folders that are not changed any more, lowest first. */
  readonly layers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workdir: string;
  /** Default: the contract's. */
  readonly resources?: Resources;
}

interface BakeContext extends StepContext {
  manifest: BuildManifest;
}

/**
 * Makes a build of finished layers: boots a guest from them, waits until it is ready, keeps its memory and its files,
 * measures booting against restoring, and publishes the build with the faster way. All or nothing.
 */
export async function bakeBuild(
  parts: NodeParts,
  starter: Starter,
  request: BakeRequest,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<BuildSummary> {
  const { builds, settings, runner } = parts;
  const { runtime } = settings;
  const buildId = randomUUID();
  const layer = builds.ownLayer(buildId);
  const image = builds.imageDirectory(buildId);

  const begin: Step<BakeContext> = {
    name: 'begin',
    act: async () => void (await builds.begin(buildId)),
    undo: () => builds.remove(buildId),
  };

  const checkpoint: Step<BakeContext> = {
    name: 'checkpoint',
    async act({ manifest }, signal) {
      onProgress('booting a guest from the layers');
      const guest = await starter.model(newSandboxId(), manifest, signal);
      await endAfterwards(parts, guest, async () => {
        onProgress('keeping its memory and files');
        await runtime.checkpoint(guest.id, image, { leaveRunning: false }, signal);
        await keepFiles(guest.disk.upper, layer);
      });
    },
  };

  const describe: Step<BakeContext> = {
    name: 'describe',
    async act(context) {
      context.manifest = {
        ...context.manifest,
        layers: [...context.manifest.layers, builds.layerName(layer)],
        memory: {
          runtime: runtime.name,
          runtimeVersion: runtime.version,
          bundleDigest: parts.bundle.digest,
          files: await describeImage(image),
        },
      };
    },
  };

  const measure: Step<BakeContext> = {
    name: 'measure',
    async act(context, signal) {
      context.manifest = await measured(parts, starter, context.manifest, onProgress, signal);
    },
  };

  const publish: Step<BakeContext> = {
    name: 'publish',
    act: ({ manifest }) => builds.publish(manifest),
  };

  const context: BakeContext = { subject: buildId, facts: {}, manifest: firstDraft(parts, buildId, request) };
  await runSteps(runner, { name: 'bake', steps: [begin, checkpoint, describe, measure, publish] }, context, signal);
  const { bootMs, restoreMs } = context.manifest.measured;
  const restored = restoreMs === undefined ? 'could not be restored' : `restored in ${Math.round(restoreMs)} ms`;
  onProgress(`booted in ${Math.round(bootMs)} ms, ${restored}: sandboxes will ${context.manifest.startMode}`);
  const summary = builds.list().find((build) => build.buildId === buildId);
  if (summary === undefined) throw new AtollError('internal_server_error', `Build ${buildId} vanished.`);
  return summary;
}

function firstDraft(parts: NodeParts, buildId: string, request: BakeRequest): BuildManifest {
  return {
    version: 1,
    buildId,
    templateId: request.templateId,
    aliases: [...request.aliases],
    layers: request.layers.map((layer) => parts.builds.layerName(layer)),
    env: { ...request.env },
    user: request.user,
    workdir: request.workdir,
    resources: request.resources ?? DEFAULT_RESOURCES,
    envdVersion: ENVD_VERSION,
    createdAt: Date.now(),
    startMode: 'boot',
    measured: { bootMs: 0 },
  };
}

/** Starts the build some times in both ways. A build whose image does not restore every time is booted. */
async function measured(
  parts: NodeParts,
  starter: Starter,
  manifest: BuildManifest,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<BuildManifest> {
  const times: Record<StartMode, number[]> = { boot: [], restore: [] };
  let restorable = true;
  for (let trial = 1; trial <= TRIALS; trial += 1) {
    onProgress(`measuring boot against restore, ${trial} of ${TRIALS}`);
    for (const mode of ['boot', 'restore'] as const) {
      if (mode === 'restore' && !restorable) continue;
      try {
        times[mode].push(await timeOneStart(parts, starter, manifest, mode, signal));
      } catch (error) {
        if (mode === 'boot' || signal.aborted) throw error;
        restorable = false;
        parts.settings.logger.warn({ err: error }, 'The memory image of a new build did not restore.');
      }
    }
  }
  const bootMs = median(times.boot);
  const restoreMs = restorable ? median(times.restore) : undefined;
  return {
    ...manifest,
    startMode: restoreMs !== undefined && restoreMs < bootMs ? 'restore' : 'boot',
    measured: { bootMs, ...(restoreMs === undefined ? {} : { restoreMs }) },
  };
}

/** From nothing to the first answer, as a create does it. */
async function timeOneStart(
  parts: NodeParts,
  starter: Starter,
  manifest: BuildManifest,
  mode: StartMode,
  signal: AbortSignal,
): Promise<number> {
  const begun = performance.now();
  const guest = await starter.trial(newSandboxId(), manifest, mode, signal);
  const took = performance.now() - begun;
  await endAfterwards(parts, guest, () => Promise.resolve());
  return took;
}

/** Runs work on a guest that belongs to no sandbox and removes the guest whatever happens. */
async function endAfterwards(parts: NodeParts, guest: ReadyGuest, work: () => Promise<void>): Promise<void> {
  const { runtime, slots, disks } = parts.settings;
  try {
    await work();
  } finally {
    await runtime.kill(guest.id);
    await Promise.all([slots.release(guest.slot.index), disks.destroy(guest.id)]);
    await parts.manifests.remove(guest.id);
  }
}

/**
 * Copies what a guest wrote into a layer of its own: a memory image needs the files of its moment. `cp -a` as root
 * keeps owners, times, links, the device nodes and attributes by which overlayfs marks deletions.
 */
async function keepFiles(upper: string, layer: string): Promise<void> {
  const partial = `${layer}${PARTIAL_SUFFIX}`;
  await mkdir(partial, { mode: 0o755 });
  await execute('cp', ['-a', '--reflink=auto', '--sparse=auto', `${upper}/.`, partial], { timeout: 600_000 });
  await rename(partial, layer);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
