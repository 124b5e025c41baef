import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildSummary, DEFAULT_EGRESS, type RunningSandbox, type SandboxSpec } from '@atoll/contract';
import { openGvisor } from '@atoll/runtime';
import { pino } from 'pino';
import { type HostNode, openNode } from '../host-node.ts';
import { openSlotPool } from '../network/slot-pool.ts';
import type { NodeOptions } from '../options.ts';
import { openDiskStore } from '../storage/disk-store.ts';
import { testBundle } from './test-bundle.ts';
import { testLayer } from './test-layer.ts';
import { testRunsc } from './test-runsc.ts';

/** Small, so that a test can fill it. */
export const TEST_RESOURCES = { cpuCount: 1, memoryMiB: 256, diskMiB: 64 };

/** Names and folders of one instance of a test; several processes may open it one after the other. */
export interface TestPlace {
  readonly instance: string;
  readonly dataDir: string;
  readonly cidr: string;
}

/** A node on real parts, and what a test wants to do with it. */
export interface TestNode {
  readonly node: HostNode;
  readonly place: TestPlace;
  /** Reserves and starts. */
  create(build: BuildSummary, spec?: Partial<SandboxSpec>): Promise<RunningSandbox>;
  close(options: { endSandboxes: boolean }): Promise<void>;
}

export async function newTestPlace(): Promise<TestPlace> {
  const [a = 0, b = 0] = randomBytes(2);
  return {
    instance: `t${randomBytes(3).toString('hex')}`,
    dataDir: await mkdtemp(join(tmpdir(), 'atoll-node-')),
    cidr: `10.${200 + (a % 40)}.${b}.0/24`,
  };
}

/** Opens a node at a place, as another process may have done before. */
export async function openTestNode(place: TestPlace, options: Partial<NodeOptions> = {}): Promise<TestNode> {
  const logger = pino({ level: process.env.ATOLL_TEST_LOG ?? 'silent' });
  const { instance, dataDir, cidr } = place;
  const stateDir = join(dataDir, 'runtime');
  await mkdir(stateDir, { recursive: true });
  const runtime = await openGvisor({
    runscPath: await testRunsc(),
    stateDir,
    cgroupParent: `atoll-${instance}`,
    logger,
  });
  const disks = await openDiskStore({ directory: join(dataDir, 'disks'), logger });
  const slots = await openSlotPool({ instance, cidr, poolSize: 2, protectedPorts: [], allowedPrivate: [], logger });
  let node: HostNode;
  try {
    const guestBundle = await testBundle(dataDir);
    node = await openNode({
      ...{ dataDir, instance, runtime, disks, slots, guestBundle, logger, poolSize: 0 },
      ...options,
    });
  } catch (error) {
    await slots.close({ remove: true });
    throw error;
  }
  return {
    node,
    place,
    async create(build, spec = {}) {
      const { signal } = new AbortController();
      const { buildId, templateId, resources } = build;
      const { sandboxId } = await node.reserve({ buildId, resources: spec.resources ?? resources }, signal);
      const whole = { teamId: 'team', templateId, buildId, resources, envVars: {}, egress: DEFAULT_EGRESS, ...spec };
      return node.start({ ...whole, sandboxId }, signal);
    },
    async close({ endSandboxes }) {
      await node.close({ endSandboxes });
      await slots.close({ remove: endSandboxes });
    },
  };
}

/** Makes the build that tests start sandboxes from. */
export async function bakeTestBuild(node: HostNode): Promise<BuildSummary> {
  return node.bakeBuild({
    templateId: 'minbase',
    aliases: ['minbase'],
    layers: [await testLayer()],
    env: { FROM_BUILD: 'yes' },
    user: 'root',
    workdir: '/',
    resources: TEST_RESOURCES,
  });
}

/** Removes the folder of a place whose node was closed with its sandboxes. */
export async function removeTestPlace(place: TestPlace): Promise<void> {
  await rm(place.dataDir, { recursive: true, force: true });
}

/** Waits for something that happens by itself, with a deadline and a name for the error. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean, withinMs = 10_000) {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`Within ${withinMs} ms it did not happen that ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
