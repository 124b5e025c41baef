/** The writable file system of one sandbox: a size-limited upper layer stacked on read-only layers. */
export interface SandboxDisk {
  /** The mounted `/` of the guest. */
  readonly rootfs: string;
  /** The upper layer, for files the node writes before a guest starts. */
  readonly upper: string;
}

/** The disks of one instance, all below one folder; a restart finds them again. */
export interface DiskStore {
  /** Makes the limited upper and mounts the overlay. `layers`: lowest first. Undone as a whole when it fails. */
  create(sandboxId: string, options: { layers: readonly string[]; sizeMiB: number }): Promise<SandboxDisk>;
  /** The disk of a sandbox that an earlier process mounted; undefined when it is not (fully) there. */
  adopt(sandboxId: string): Promise<SandboxDisk | undefined>;
  /** Unmounts and deletes. Repeating it is not an error. */
  destroy(sandboxId: string): Promise<void>;
  /** Bytes used and at most usable. */
  usage(sandboxId: string): Promise<{ usedBytes: number; totalBytes: number }>;
  /** Every sandbox id of which anything (folder, mount, loop device) is left on the host. */
  list(): Promise<readonly string[]>;
}
