import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostNode, openDiskStore, openNode, openSlotPool } from '@atoll/node';
import { openGvisor, type Runtime } from '@atoll/runtime';
import type { Logger } from 'pino';
import type { Settings } from '../settings/schema.ts';
import type { Progress } from '../terminal/progress.ts';
import { removeControlGroup } from './control-group.ts';
import { provideGuestBundle } from './guest-bundle.ts';
import type { Identity } from './identity.ts';
import { provideRunsc } from './runsc.ts';

/** What runs sandboxes on this machine, put together. */
export interface Host {
  readonly node: HostNode;
  readonly runtime: Runtime;
  /** Names the guest programs in use. */
  readonly bundleKey: string;
  /**
   * `keep`: sandboxes go on running for the next process to take over. `remove`: they end, and nothing that the instance
   * made on the host is left but its data.
   */
  close(sandboxes: 'keep' | 'remove'): Promise<void>;
}

/** Opens runtime, disks, network and node, in this order; takes over what an earlier process left running. */
export async function openHost(options: {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly logger: Logger;
  readonly progress: Progress;
  /** Ready sandboxes to keep; 0 to make none. */
  readonly poolSize: number;
}): Promise<Host> {
  const { settings, identity, logger, progress, poolSize } = options;
  const { dataDir } = settings;
  const controlGroup = `atoll-${identity.instance}`;
  await mkdir(settings.cacheDir, { recursive: true });

  // 1. Programs: the one that isolates, and those that guests run.
  const runscPath = await progress.step('gVisor', (note, signal) => provideRunsc(settings, note, signal));
  const bundle = await progress.step('Guest programs', () => provideGuestBundle(settings.cacheDir));

  // 2. The parts of a node. Network last: it is the one that holds things open.
  const runtime = await openGvisor({
    runscPath,
    stateDir: join(dataDir, 'runtime'),
    cgroupParent: controlGroup,
    logger,
  });
  const disks = await openDiskStore({ directory: join(dataDir, 'disks'), logger });
  const slots = await openSlotPool({
    instance: identity.instance,
    cidr: identity.cidr,
    poolSize: poolSize * 2,
    protectedPorts: protectedPorts(settings),
    allowedPrivate: settings.allowPrivate,
    ...(settings.resolvers.length === 0 ? {} : { upstreamResolvers: settings.resolvers }),
    logger,
  });

  // 3. The node, which first puts in order what it finds.
  let node: HostNode;
  try {
    node = await progress.step('Taking over what runs', () =>
      openNode({
        dataDir,
        instance: identity.instance,
        runtime,
        disks,
        slots,
        guestBundle: bundle.directory,
        logger,
        poolSize,
      }),
    );
  } catch (error) {
    await slots.close({ remove: false });
    throw error;
  }
  return {
    node,
    runtime,
    bundleKey: bundle.key,
    async close(sandboxes) {
      await node.close({ endSandboxes: sandboxes === 'remove' });
      await slots.close({ remove: sandboxes === 'remove' });
      if (sandboxes === 'remove') await removeControlGroup(controlGroup);
    },
  };
}

/** Our own listeners, which no sandbox may reach whatever its policy says. */
function protectedPorts(settings: Settings): number[] {
  return [settings.apiPort, settings.edgePort, settings.tlsPort, settings.dnsPort].filter((port) => port !== undefined);
}
