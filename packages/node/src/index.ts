export type { BakeRequest } from './builds/bake.ts';
export { bakeBuild, type HostNode, openNode } from './host-node.ts';
export { explainForwarding } from './network/forwarding.ts';
export { openSlotPool } from './network/slot-pool.ts';
export type { Slot, SlotPool } from './network/slots.ts';
export type { NodeOptions } from './options.ts';
export { openDiskStore } from './storage/disk-store.ts';
export type { DiskStore, SandboxDisk } from './storage/disks.ts';
