import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Resources, SandboxSpec } from '@atoll/contract';
import { type Static, Type } from 'typebox';
import { readJsonFile, writeJsonFile } from '../json-file.ts';

/** The values come from our own files: the schema only has to tell a whole manifest from anything else. */
export const ResourcesSchema = Type.Object({
  cpuCount: Type.Number(),
  memoryMiB: Type.Number(),
  diskMiB: Type.Number(),
});

const EgressSchema = Type.Object({
  allowOut: Type.Array(Type.String()),
  denyOut: Type.Array(Type.String()),
  ports: Type.Array(
    Type.Object({
      port: Type.Number(),
      protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
      access: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
      description: Type.Optional(Type.String()),
    }),
  ),
  dnsServers: Type.Optional(Type.Array(Type.String())),
  resolvers: Type.Optional(Type.Array(Type.String())),
});

const SpecSchema = Type.Object({
  sandboxId: Type.String(),
  teamId: Type.String(),
  templateId: Type.String(),
  buildId: Type.String(),
  resources: ResourcesSchema,
  envVars: Type.Record(Type.String(), Type.String()),
  envdAccessToken: Type.Optional(Type.String()),
  egress: EgressSchema,
});

const ManifestSchema = Type.Object({
  version: Type.Literal(1),
  sandboxId: Type.String({ pattern: '^[a-z0-9]{1,57}$' }),
  buildId: Type.String(),
  resources: ResourcesSchema,
  slotIndex: Type.Number(),
  /** Boot of the host it was started in: with another one nothing of it can be alive. */
  hostBootId: Type.String(),
  /** Whose it is. Absent: a member of the pool, ready and untouched. */
  assignment: Type.Optional(Type.Object({ spec: SpecSchema, lifecycleId: Type.String(), startedAt: Type.Number() })),
});

/** What a later process must know to take a sandbox over. Written before anything of the guest runs. */
export type SandboxManifest = Static<typeof ManifestSchema>;

/** The part of a manifest that says whose the sandbox is. */
export interface Assignment {
  readonly spec: SandboxSpec;
  /** Changes with every life of the sandbox. */
  readonly lifecycleId: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

/** The folders `sandboxes/<id>`, each with a manifest. */
export class ManifestStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  folder(sandboxId: string): string {
    return join(this.#directory, sandboxId);
  }

  async write(manifest: {
    readonly sandboxId: string;
    readonly buildId: string;
    readonly resources: Resources;
    readonly slotIndex: number;
    readonly hostBootId: string;
    readonly assignment?: Assignment;
  }): Promise<void> {
    const folder = this.folder(manifest.sandboxId);
    await mkdir(folder, { mode: 0o700, recursive: true });
    await writeJsonFile(join(folder, 'manifest.json'), { version: 1, ...manifest });
  }

  /** Every sandbox folder; the manifest is missing where a crash came before it was written. */
  async list(): Promise<Map<string, SandboxManifest | undefined>> {
    const found = new Map<string, SandboxManifest | undefined>();
    for (const name of await readdir(this.#directory)) {
      const manifest = await readJsonFile(join(this.#directory, name, 'manifest.json'), ManifestSchema);
      found.set(name, manifest?.sandboxId === name ? manifest : undefined);
    }
    return found;
  }

  /** Removes the folder with all that is in it. */
  async remove(sandboxId: string): Promise<void> {
    await rm(this.folder(sandboxId), { recursive: true, force: true });
  }
}
