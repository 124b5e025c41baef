import { randomBytes } from 'node:crypto';
import { AtollError, DEFAULT_EGRESS, type EgressPolicy } from '@atoll/contract';
import type { BuildManifest, StartMode } from '../builds/build-manifest.ts';
import { initEnvd, waitUntilHealthy, warmUpEnvd } from '../guest/envd-client.ts';
import { guestPlan } from '../guest/guest-plan.ts';
import { hostnameOf, identityFiles, writeIdentityFiles } from '../guest/identity-files.ts';
import type { Operation, Step, StepContext } from '../journal/run-steps.ts';
import type { Slot } from '../network/slots.ts';
import type { NodeParts } from '../node-parts.ts';
import type { SandboxDisk } from '../storage/disks.ts';
import type { Assignment } from './manifest.ts';
import type { ReadyGuest, Shape } from './sandbox-table.ts';

/** How long a guest may take to answer after it was restored, in milliseconds; after that it is booted instead. */
const RESTORE_DEADLINE_MS = 5_000;

/** How long a guest may take to answer after it was booted, in milliseconds. */
const BOOT_DEADLINE_MS = 20_000;

/** How long envd may take to take its identity, in milliseconds: it has answered before, so it takes a few. */
const INIT_DEADLINE_MS = 3_000;

/** What the steps of a start work on. `subject` is the sandbox's id; what undoing needs is in `facts`. */
export interface StartContext extends StepContext {
  readonly shape: Shape;
  readonly build: BuildManifest;
  readonly mode: StartMode;
  /** Absent for a guest of the pool. */
  readonly assignment?: Assignment;
  slot?: Slot;
  disk?: SandboxDisk;
}

/** The operations that bring a sandbox up, in the order in which they happen on the host. */
export interface StartOperations {
  /** A sandbox from nothing. */
  readonly create: Operation<StartContext>;
  /** A guest for the pool from nothing: ready, untouched, frozen. */
  readonly fill: Operation<StartContext>;
  /** A guest of the pool becomes somebody's sandbox. When it fails the guest is gone: nobody else may have it. */
  readonly assign: Operation<StartContext>;
  /** The guest whose memory becomes a build's. */
  readonly model: Operation<StartContext>;
  /** A guest for measuring: started as for a create and given a first command. */
  readonly trial: Operation<StartContext>;
}

/** Writes the steps of all start operations down for one node. */
export function startOperations(parts: NodeParts): StartOperations {
  const { settings, manifests } = parts;
  const { runtime, slots, disks } = settings;

  const takeSlot: Step<StartContext> = {
    name: 'slot',
    async act(context) {
      context.slot = await slots.acquire();
      context.facts.slotIndex = context.slot.index;
    },
    async undo({ facts }) {
      if (typeof facts.slotIndex === 'number') await slots.release(facts.slotIndex);
    },
  };

  /** Before anything of the guest runs, or before it runs again: rules come first. */
  const applyEgress: Step<StartContext> = {
    name: 'egress',
    async act(context) {
      const egress = context.assignment?.spec.egress;
      if (egress !== undefined && !isDefault(egress)) await slots.applyEgress(slotOf(context), egress);
    },
  };

  const stackDisk: Step<StartContext> = {
    name: 'disk',
    async act(context) {
      const layers = parts.builds.layerPaths(context.build);
      context.disk = await disks.create(context.subject, { layers, sizeMiB: context.shape.resources.diskMiB });
    },
    undo: ({ subject }) => disks.destroy(subject),
  };

  const writeIdentity: Step<StartContext> = {
    name: 'identity',
    async act(context) {
      const { subject, build } = context;
      const { templateId, buildId } = build;
      const { gateway } = slotOf(context);
      const files = identityFiles({ hostname: hostnameOf(subject), gateway, templateId, buildId });
      await writeIdentityFiles(diskOf(context).rootfs, files);
    },
  };

  const writeManifest: Step<StartContext> = {
    name: 'manifest',
    async act(context) {
      await manifests.write({
        sandboxId: context.subject,
        ...context.shape,
        slotIndex: slotOf(context).index,
        hostBootId: parts.hostBootId,
        ...(context.assignment === undefined ? {} : { assignment: context.assignment }),
      });
    },
    undo: ({ subject }) => manifests.remove(subject),
  };

  const startGuest: Step<StartContext> = {
    name: 'guest',
    async act(context, signal) {
      const plan = guestPlan({
        sandboxId: context.subject,
        resources: context.shape.resources,
        maxProcesses: settings.maxProcesses,
        slot: slotOf(context),
        disk: diskOf(context),
        bundle: parts.bundle,
      });
      if (context.mode === 'boot') await runtime.boot(plan, signal);
      else await runtime.restore(plan, parts.builds.imageDirectory(context.build.buildId), signal);
    },
    undo: ({ subject }) => runtime.kill(subject),
  };

  const awaitHealth: Step<StartContext> = {
    name: 'health',
    async act(context, signal) {
      const deadline = context.mode === 'restore' ? RESTORE_DEADLINE_MS : BOOT_DEADLINE_MS;
      const { address } = slotOf(context);
      await within(deadline, `answer after its ${context.mode}`, signal, (late) => waitUntilHealthy(address, late));
    },
  };

  /** There is time for it in the pool and in a build; a sandbox that somebody waits for goes without. */
  const warmUp: Step<StartContext> = {
    name: 'warm-up',
    async act(context, signal) {
      const { build, subject } = context;
      const { address } = slotOf(context);
      const identity = {
        sandboxId: subject,
        hostname: hostnameOf(subject),
        defaultUser: build.user,
        defaultWorkdir: build.workdir,
        randomSeed: randomBytes(32).toString('base64'),
      };
      await within(BOOT_DEADLINE_MS, 'warm up', signal, (late) => warmUpEnvd(address, identity, late));
    },
  };

  const freeze: Step<StartContext> = {
    name: 'freeze',
    act: (context) => runtime.freeze(context.subject),
  };

  const thaw: Step<StartContext> = {
    name: 'thaw',
    act: (context) => runtime.thaw(context.subject),
  };

  const initialise: Step<StartContext> = {
    name: 'init',
    async act(context, signal) {
      const { build, assignment, subject } = context;
      if (assignment === undefined) throw new AtollError('internal_server_error', `Sandbox ${subject} has no owner.`);
      const { spec, lifecycleId } = assignment;
      const identity = {
        envVars: { ...build.env, ...spec.envVars },
        ...(spec.envdAccessToken === undefined ? {} : { accessToken: spec.envdAccessToken }),
        defaultUser: build.user,
        defaultWorkdir: build.workdir,
        sandboxId: subject,
        templateId: spec.templateId,
        hostname: hostnameOf(subject),
        lifecycleID: lifecycleId,
        randomSeed: randomBytes(32).toString('base64'),
      };
      const { address } = slotOf(context);
      await within(INIT_DEADLINE_MS, 'take its identity', signal, (late) => initEnvd(address, identity, late));
    },
  };

  /** From here on the guest is either its owner's or nobody's. */
  const take: Step<StartContext> = {
    name: 'take',
    async act({ subject }) {
      if (await runtime.isAlive(subject)) return;
      throw new AtollError('sandbox_create_failed', `The ready guest ${subject} has ended by itself.`);
    },
    async undo(context) {
      await startGuest.undo?.(context);
      await Promise.all([takeSlot.undo?.(context), stackDisk.undo?.(context)]);
      await manifests.remove(context.subject);
    },
  };

  // Undone in reverse: the guest ends before its slot and its files go.
  const place = [takeSlot, applyEgress, stackDisk, writeIdentity, writeManifest];
  const run = [startGuest, awaitHealth];
  return {
    create: { name: 'create', steps: [...place, ...run, initialise] },
    fill: { name: 'fill', steps: [...place, ...run, warmUp, freeze] },
    assign: { name: 'assign', steps: [take, writeManifestOfOwner(writeManifest), applyEgress, thaw, initialise] },
    model: { name: 'model', steps: [...place, ...run, warmUp] },
    // To the first command: a restored guest has loaded for it what a booted one still has to.
    trial: { name: 'trial', steps: [...place, ...run, warmUp] },
  };
}

/** Overwrites the manifest of the pool with the owner's. Undone by the step before it, which removes everything. */
function writeManifestOfOwner(step: Step<StartContext>): Step<StartContext> {
  return { name: step.name, act: step.act };
}

/** The guest that a finished start has made. */
export function readyGuest(context: StartContext): ReadyGuest {
  return { id: context.subject, shape: context.shape, slot: slotOf(context), disk: diskOf(context) };
}

function slotOf(context: StartContext): Slot {
  if (context.slot === undefined) throw new AtollError('internal_server_error', 'The sandbox has no slot yet.');
  return context.slot;
}

function diskOf(context: StartContext): SandboxDisk {
  if (context.disk === undefined) throw new AtollError('internal_server_error', 'The sandbox has no disk yet.');
  return context.disk;
}

/** Does something with a guest in limited time, and says what did not happen when the time is over. */
async function within(
  deadlineMs: number,
  what: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = AbortSignal.timeout(deadlineMs);
  try {
    await work(AbortSignal.any([signal, late]));
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
    const message = `The guest did not ${what} within ${deadlineMs} ms.`;
    throw new AtollError('sandbox_create_failed', message, { cause: error });
  }
}

/** A slot comes with the default policy in force; replacing it by itself would cost 16 ms. */
function isDefault(egress: EgressPolicy): boolean {
  return (
    egress.allowOut.length + egress.denyOut.length + egress.ports.length === 0 &&
    egress.dnsServers === DEFAULT_EGRESS.dnsServers &&
    egress.resolvers === DEFAULT_EGRESS.resolvers
  );
}
