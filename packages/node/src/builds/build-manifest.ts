import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Resources } from '@atoll/contract';
import { type Static, Type } from 'typebox';
import { ResourcesSchema } from '../sandboxes/manifest.ts';

/** How a guest comes to life: from its files, or from a memory image that fits them. */
export type StartMode = 'boot' | 'restore';

const ImageFileSchema = Type.Object({ name: Type.String(), bytes: Type.Number(), sha256: Type.String() });

export const BuildManifestSchema = Type.Object({
  version: Type.Literal(1),
  buildId: Type.String({ pattern: '^[a-zA-Z0-9-]{1,64}$' }),
  templateId: Type.String(),
  aliases: Type.Array(Type.String()),
  /** Folders, lowest first; relative ones are below the node's data directory. */
  layers: Type.Array(Type.String(), { minItems: 1 }),
  env: Type.Record(Type.String(), Type.String()),
  user: Type.String(),
  workdir: Type.String(),
  /** What a sandbox gets when its creator says nothing; also what the memory image was taken with. */
  resources: ResourcesSchema,
  envdVersion: Type.String(),
  createdAt: Type.Number(),
  /** The faster of the two, measured when the build was made. */
  startMode: Type.Union([Type.Literal('boot'), Type.Literal('restore')]),
  /** Medians in milliseconds, from the start of a guest to its first answer. */
  measured: Type.Object({ bootMs: Type.Number(), restoreMs: Type.Optional(Type.Number()) }),
  /** Absent when the image could not be restored. */
  memory: Type.Optional(
    Type.Object({
      runtime: Type.String(),
      runtimeVersion: Type.String(),
      /** Digest of the guest bundle whose programs are in the image. */
      bundleDigest: Type.String(),
      files: Type.Array(ImageFileSchema),
    }),
  ),
});

/** One build: a stack of layers, what its sandboxes begin with, and its memory image. */
export type BuildManifest = Static<typeof BuildManifestSchema>;

export type ImageFile = Static<typeof ImageFileSchema>;

/** What the memory image of a build must have been made with to be restored here. */
export interface ImageRequirements {
  readonly runtime: string;
  readonly runtimeVersion: string;
  readonly bundleDigest: string;
}

/** Why the memory image of a build cannot be restored for these resources; undefined when it can. */
export function imageMisfit(
  manifest: BuildManifest,
  resources: Resources,
  here: ImageRequirements,
): string | undefined {
  const { memory } = manifest;
  if (memory === undefined) return 'it has no memory image';
  if (memory.runtime !== here.runtime || memory.runtimeVersion !== here.runtimeVersion) {
    return `its image needs ${memory.runtime} ${memory.runtimeVersion}, this node has ${here.runtime} ${here.runtimeVersion}`;
  }
  if (memory.bundleDigest !== here.bundleDigest) return 'its image holds another version of the guest programs';
  // Cores and memory that a guest sees are part of its image.
  if (resources.cpuCount !== manifest.resources.cpuCount || resources.memoryMiB !== manifest.resources.memoryMiB) {
    return 'its image was taken with other CPU or memory limits';
  }
  return undefined;
}

/** Names, sizes and hashes of the files of a memory image. */
export async function describeImage(directory: string): Promise<ImageFile[]> {
  const files: ImageFile[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
    files.push({ name, bytes: (await stat(path)).size, sha256: hash.digest('hex') });
  }
  return files;
}

/** Whether a memory image is still what it was. */
export async function imageIsIntact(directory: string, files: readonly ImageFile[]): Promise<boolean> {
  const found = await describeImage(directory).catch(() => []);
  return JSON.stringify(found) === JSON.stringify(files);
}
