import type { BuildStore } from './builds/build-store.ts';
import type { NodeFolders } from './folders.ts';
import type { GuestBundle } from './guest/bundle.ts';
import type { StepRunner } from './journal/run-steps.ts';
import type { NodeSettings } from './options.ts';
import type { ManifestStore } from './sandboxes/manifest.ts';
import type { SandboxTable } from './sandboxes/sandbox-table.ts';
import type { Tombstones } from './sandboxes/tombstones.ts';

/** What the modules of one node share. */
export interface NodeParts {
  readonly settings: NodeSettings;
  readonly folders: NodeFolders;
  readonly bundle: GuestBundle;
  readonly builds: BuildStore;
  readonly manifests: ManifestStore;
  readonly tombstones: Tombstones;
  readonly table: SandboxTable;
  readonly runner: StepRunner;
  /** Changes with every boot of the host. */
  readonly hostBootId: string;
}
