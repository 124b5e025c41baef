import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a node keeps what it knows (docs/architecture.md, "On disk"). */
export interface NodeFolders {
  readonly data: string;
  /** Open operations, one file each. */
  readonly journal: string;
  /** One folder for each sandbox: manifest and metrics. */
  readonly sandboxes: string;
  readonly builds: string;
  readonly layers: string;
  /** Kept for a time after the sandbox. */
  readonly logs: string;
  readonly tombstones: string;
}

/** Makes the folders of a node, readable by root only: they hold tokens and the files of all tenants. */
export async function makeFolders(dataDir: string): Promise<NodeFolders> {
  const folders: NodeFolders = {
    data: dataDir,
    journal: join(dataDir, 'journal'),
    sandboxes: join(dataDir, 'sandboxes'),
    builds: join(dataDir, 'builds'),
    layers: join(dataDir, 'layers'),
    logs: join(dataDir, 'logs'),
    tombstones: join(dataDir, 'tombstones'),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  return folders;
}
