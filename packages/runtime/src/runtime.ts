/** A folder of the host that a guest sees at one path. */
export interface GuestMount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** What a guest may use. A limit of 0 means none. */
export interface GuestLimits {
  readonly cpuCount: number;
  readonly memoryMiB: number;
  /** Processes and threads that exist inside the guest at once; one more fork fails there with EAGAIN. A runtime lowers it to what `memoryMiB` can pay. */
  readonly maxProcesses: number;
}

/** Everything a runtime needs to run one guest. Plain data. */
export interface GuestSpec {
  /** `^[a-z0-9]+$`, unique on the host among the guests of one state directory. */
  readonly id: string;
  /** The guest's `/`, mounted by the caller. */
  readonly rootfs: string;
  /** Path of the network namespace, with interface, address and routes already in it. */
  readonly networkNamespace: string;
  /** The guest's host name. */
  readonly hostname: string;
  readonly mounts: readonly GuestMount[];
  readonly limits: GuestLimits;
  /** Program, arguments, environment and working directory of the guest's first process, run as root. */
  readonly process: { readonly args: readonly string[]; readonly env: readonly string[]; readonly cwd: string };
}

/** What a guest uses now. Bytes and nanoseconds. */
export interface GuestUsage {
  readonly cpuNanoseconds: number;
  /** Without page cache. */
  readonly memoryBytes: number;
  readonly cacheBytes: number;
  /** Guest processes ended for want of memory since the guest started. */
  readonly oomKills: number;
}

/** A guest found on the host, alive or not. */
export interface FoundGuest {
  readonly id: string;
  readonly alive: boolean;
}

/**
 * What isolates. One contract suite (`runtime-contract.ts`) runs on every implementation. Every call has a deadline of
 * its own and throws an AtollError; what a runtime cannot do it refuses with `runtime_unsupported`.
 */
export interface Runtime {
  readonly name: string;
  /** Version of the isolating program; snapshots fit only the one they were taken with. */
  readonly version: string;
  /** Starts a guest from its files. Returns when its first process runs. */
  boot(spec: GuestSpec, signal: AbortSignal): Promise<void>;
  /**
   * Starts a guest from a memory image; the files must be those of the moment of the checkpoint. The guest may run while
   * its memory is still being read: the image must stay as it is.
   */
  restore(spec: GuestSpec, imageDirectory: string, signal: AbortSignal): Promise<void>;
  /** Writes the guest's memory to a folder that must not exist yet; all or nothing. The guest ends unless `leaveRunning`. */
  checkpoint(
    id: string,
    imageDirectory: string,
    options: { leaveRunning: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Stops every process of the guest in place; it uses no CPU until thawed. */
  freeze(id: string): Promise<void>;
  thaw(id: string): Promise<void>;
  /** Ends a guest, frozen or not, and removes all the runtime made for it. Ending one that is gone is not an error. */
  kill(id: string): Promise<void>;
  /** Answers for a guest that died too, until it is killed: so its end can be told to be for want of memory. */
  usage(id: string): Promise<GuestUsage>;
  /** Changes the limits of a live guest. */
  updateLimits(id: string, limits: GuestLimits): Promise<void>;
  /** All guests of this state directory, also those that an earlier process of ours started. */
  list(): Promise<FoundGuest[]>;
  /** Cheap: whether the guest's processes exist. Works for guests an earlier process of ours started. */
  isAlive(id: string): Promise<boolean>;
}
