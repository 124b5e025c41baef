import { availableParallelism } from 'node:os';
import type { Runtime } from '@atoll/runtime';
import type { Logger } from 'pino';
import type { SlotPool } from './network/slots.ts';
import type { DiskStore } from './storage/disks.ts';

/** What a node is made of. Whoever opened `runtime`, `disks` and `slots` closes them, after the node. */
export interface NodeOptions {
  /** Everything the node keeps; made when it is missing. One node process at a time. */
  readonly dataDir: string;
  /** `^[a-z0-9]{1,8}$`, the prefix of every host name the instance makes; also the node's id. */
  readonly instance: string;
  readonly runtime: Runtime;
  readonly disks: DiskStore;
  readonly slots: SlotPool;
  /** Folder with envd and its `launch.json`, mounted read-only at `/.atoll` in guests. */
  readonly guestBundle: string;
  readonly logger: Logger;
  /** Ready guests kept for each hot shape (a build with resources). 0: no pool. */
  readonly poolSize: number;
  /** Ready guests in all. Default: twice `poolSize`. */
  readonly poolMaxGuests?: number;
  /** Guests that the pool makes at once. Default: half the cores, at least 1. */
  readonly poolConcurrency?: number;
  /** A shape nobody asked for in this time cools down: its ready guests are given up. Default 10 minutes. */
  readonly poolCoolDownMs?: number;
  /** Builds with one of these names are hot from the start and never cool down. Default `['base']`. */
  readonly warmAliases?: readonly string[];
  /** The pool gives its guests up while less than this is available, in MiB. Default: a tenth of the host's memory. */
  readonly poolMinFreeMemoryMiB?: number;
  /** Cold starts at once; more wait in line. Default: three times the cores. */
  readonly startConcurrency?: number;
  /** How long a start may take in all, waiting in line included. Default 30 s. */
  readonly startTimeoutMs?: number;
  /** How long an unused reservation lasts. Default 60 s. */
  readonly reservationMs?: number;
  /** Distance between two samples of a sandbox's use. Default 5 s. */
  readonly metricsIntervalMs?: number;
  /** Distance between two looks at whether guests live. Default 1 s. */
  readonly watchIntervalMs?: number;
  /** How often envd's log is fetched; it is also fetched when somebody asks and before a kill. Default 15 s. */
  readonly logIntervalMs?: number;
  /** Processes and threads of one guest on the host. Default 4096. */
  readonly maxProcesses?: number;
  /** Test hook: see `StepRunner.crashAt`. */
  readonly crashAt?: string;
}

/** Options with every default filled in. */
export type NodeSettings = Required<Omit<NodeOptions, 'crashAt'>> & { readonly crashAt: string | undefined };

/** Fills in the defaults. `memoryTotalBytes`: of the host. */
export function settingsFrom(options: NodeOptions, memoryTotalBytes: number): NodeSettings {
  const cores = availableParallelism();
  return {
    poolMaxGuests: options.poolSize * 2,
    poolConcurrency: Math.max(1, Math.floor(cores / 2)),
    poolCoolDownMs: 10 * 60_000,
    warmAliases: ['base'],
    poolMinFreeMemoryMiB: Math.floor(memoryTotalBytes / 10 / 1024 / 1024),
    startConcurrency: cores * 3,
    startTimeoutMs: 30_000,
    reservationMs: 60_000,
    metricsIntervalMs: 5_000,
    watchIntervalMs: 1_000,
    logIntervalMs: 15_000,
    maxProcesses: 4096,
    crashAt: undefined,
    ...options,
  };
}
