import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import type { BuildSummary, Resources } from '@atoll/contract';
import { AtollError } from '@atoll/contract';
import type { Logger } from 'pino';
import type { NodeFolders } from '../folders.ts';
import { PARTIAL_SUFFIX, readJsonFile, writeJsonFile } from '../json-file.ts';
import {
  type BuildManifest,
  BuildManifestSchema,
  type ImageRequirements,
  imageIsIntact,
  imageMisfit,
  type StartMode,
} from './build-manifest.ts';

/** The builds a node holds: `builds/<id>` with a manifest and, below `memory/`, the image. */
export class BuildStore {
  readonly #folders: NodeFolders;
  readonly #logger: Logger;
  readonly #here: ImageRequirements;
  readonly #builds = new Map<string, BuildManifest>();
  readonly #intact = new Map<string, Promise<boolean>>();
  readonly #refused = new Set<string>();

  constructor(folders: NodeFolders, here: ImageRequirements, logger: Logger) {
    this.#folders = folders;
    this.#here = here;
    this.#logger = logger;
  }

  /** Reads the manifests and removes what a crash left unfinished: builds are published whole or not at all. */
  async load(): Promise<void> {
    for (const name of await readdir(this.#folders.builds)) {
      const folder = join(this.#folders.builds, name);
      if (name.endsWith(PARTIAL_SUFFIX)) {
        await rm(folder, { recursive: true, force: true });
        continue;
      }
      const manifest = await readJsonFile(join(folder, 'manifest.json'), BuildManifestSchema);
      if (manifest?.buildId === name) this.#builds.set(name, manifest);
      else this.#logger.error({ folder }, 'This build has no readable manifest and is not used; make it again.');
    }
    for (const name of await readdir(this.#folders.layers)) {
      if (name.endsWith(PARTIAL_SUFFIX)) await rm(join(this.#folders.layers, name), { recursive: true, force: true });
    }
  }

  /** Throws `template_not_found` for a build that is not here. */
  get(buildId: string): BuildManifest {
    const manifest = this.#builds.get(buildId);
    if (manifest === undefined) {
      throw new AtollError('template_not_found', `This node does not hold the build ${buildId}.`);
    }
    return manifest;
  }

  has(buildId: string): boolean {
    return this.#builds.has(buildId);
  }

  /** Newest first. A name is listed only at the newest build that has it. */
  list(): BuildSummary[] {
    const taken = new Set<string>();
    const newestFirst = [...this.#builds.values()].sort((a, b) => b.createdAt - a.createdAt);
    return newestFirst.map((manifest) => {
      const aliases = manifest.aliases.filter((alias) => !taken.has(alias));
      for (const alias of aliases) taken.add(alias);
      const { buildId, templateId, resources, createdAt, envdVersion } = manifest;
      return { buildId, templateId, aliases, resources, createdAt, envdVersion };
    });
  }

  /** Absolute paths of a build's layers, lowest first. */
  layerPaths(manifest: BuildManifest): string[] {
    return manifest.layers.map((layer) => (isAbsolute(layer) ? layer : join(this.#folders.data, layer)));
  }

  /** How to name a layer in a manifest: relative when it is below the data directory, so that the directory can move. */
  layerName(path: string): string {
    const below = relative(this.#folders.data, path);
    return below.startsWith('..') || isAbsolute(below) ? path : below;
  }

  /** Where the memory image of a build is, also while the build is being made. */
  imageDirectory(buildId: string): string {
    const folder = this.#builds.has(buildId) ? buildId : `${buildId}${PARTIAL_SUFFIX}`;
    return join(this.#folders.builds, folder, 'memory');
  }

  /** The layer that a build adds to those it was given: the files of the moment of its memory image. */
  ownLayer(buildId: string): string {
    return join(this.#folders.layers, buildId);
  }

  /** How a sandbox of this shape starts here. An image that does not fit is refused by name, once, and booted cold. */
  async startMode(manifest: BuildManifest, resources: Resources): Promise<StartMode> {
    if (manifest.startMode === 'boot') return 'boot';
    let misfit = imageMisfit(manifest, resources, this.#here);
    if (misfit === undefined && !(await this.#isIntact(manifest))) misfit = 'its image is damaged';
    if (misfit === undefined) return 'restore';
    const refusal = `${manifest.buildId}: ${misfit}`;
    if (!this.#refused.has(refusal)) {
      this.#refused.add(refusal);
      this.#logger.warn({ buildId: manifest.buildId }, `The build is booted from its files because ${misfit}.`);
    }
    return 'boot';
  }

  /** A folder to make a build in; {@link publish} gives it its name. */
  async begin(buildId: string): Promise<string> {
    const folder = join(this.#folders.builds, `${buildId}${PARTIAL_SUFFIX}`);
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }

  async publish(manifest: BuildManifest): Promise<void> {
    const partial = join(this.#folders.builds, `${manifest.buildId}${PARTIAL_SUFFIX}`);
    await writeJsonFile(join(partial, 'manifest.json'), manifest);
    await rename(partial, join(this.#folders.builds, manifest.buildId));
    this.#builds.set(manifest.buildId, manifest);
  }

  /** Removes a build, also one that was never finished, with its own layer. The caller makes sure that nothing uses it. */
  async remove(buildId: string): Promise<void> {
    this.#builds.delete(buildId);
    this.#intact.delete(buildId);
    const folder = join(this.#folders.builds, buildId);
    for (const path of [folder, this.ownLayer(buildId)]) {
      await rm(path, { recursive: true, force: true });
      await rm(`${path}${PARTIAL_SUFFIX}`, { recursive: true, force: true });
    }
  }

  #isIntact(manifest: BuildManifest): Promise<boolean> {
    const known = this.#intact.get(manifest.buildId);
    if (known !== undefined) return known;
    const checked = imageIsIntact(this.imageDirectory(manifest.buildId), manifest.memory?.files ?? []);
    this.#intact.set(manifest.buildId, checked);
    return checked;
  }
}
