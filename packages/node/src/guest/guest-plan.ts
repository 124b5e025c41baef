import type { Resources } from '@atoll/contract';
import type { GuestSpec } from '@atoll/runtime';
import type { Slot } from '../network/slots.ts';
import type { SandboxDisk } from '../storage/disks.ts';
import { BUNDLE_MOUNT_POINT, type GuestBundle } from './bundle.ts';
import { hostnameOf } from './identity-files.ts';

/** The plan of a guest: what the runtime is asked to run, as plain data. */
export function guestPlan(parts: {
  readonly sandboxId: string;
  readonly resources: Resources;
  readonly maxProcesses: number;
  readonly slot: Slot;
  readonly disk: SandboxDisk;
  readonly bundle: GuestBundle;
}): GuestSpec {
  const { resources, bundle } = parts;
  return {
    id: parts.sandboxId,
    rootfs: parts.disk.rootfs,
    networkNamespace: parts.slot.namespacePath,
    hostname: hostnameOf(parts.sandboxId),
    mounts: [{ source: bundle.directory, destination: BUNDLE_MOUNT_POINT, readOnly: true }],
    limits: { cpuCount: resources.cpuCount, memoryMiB: resources.memoryMiB, maxProcesses: parts.maxProcesses },
    process: { args: bundle.args, env: bundle.env, cwd: bundle.cwd },
  };
}
