import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBase } from '@atoll/template-base';
import type { Logger } from 'pino';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Settings } from '../settings/schema.ts';
import type { Progress } from '../terminal/progress.ts';
import type { Host } from './host.ts';

/** The same on every host, so that clients may keep it. */
const BASE_TEMPLATE_ID = 'base';
const ALIASES = ['base', 'e2bdev/base'];

const RecordSchema = Type.Object({ key: Type.String(), buildId: Type.String() });

/**
 * Sees to it that the node holds a build of the base template made of what we have now: this root, these guest
 * programs, this runtime, these resources. Makes one when it does not; a memory image fits only what it was taken with.
 */
export async function provideBaseTemplate(
  host: Host,
  settings: Settings,
  progress: Progress,
  logger: Logger,
): Promise<void> {
  const { cacheDir, debianMirror, trustHostCertificates, cpuCount, memoryMiB, diskMiB } = settings;
  const base = await progress.step('Base template: files', (note, signal) =>
    ensureBase({
      cacheDirectory: cacheDir,
      trustHostCertificates,
      ...(debianMirror === undefined ? {} : { debianMirror }),
      onProgress: note,
      signal,
    }),
  );
  const resources = { cpuCount, memoryMiB, diskMiB };
  const key = createHash('sha256')
    .update(JSON.stringify([base.key, host.bundleKey, host.runtime.name, host.runtime.version, resources]))
    .digest('hex');
  const recordFile = join(settings.dataDir, 'base-template.json');
  const known = readRecord(recordFile);
  const builds = await host.node.builds();
  if (known?.key === key && builds.some((build) => build.buildId === known.buildId)) return;

  const build = await progress.step('Base template: memory', (note, signal) =>
    host.node.bakeBuild(
      { templateId: BASE_TEMPLATE_ID, aliases: ALIASES, layers: [base.directory], ...base.config, resources },
      { onProgress: note, signal },
    ),
  );
  const record: Static<typeof RecordSchema> = { key, buildId: build.buildId };
  writeFileSync(`${recordFile}.tmp`, `${JSON.stringify(record)}\n`);
  renameSync(`${recordFile}.tmp`, recordFile);
  if (known === undefined) return;
  // Sandboxes that still run from the earlier build keep it; the next start tries again.
  await host.node
    .removeBuild(known.buildId)
    .catch((error: unknown) => logger.info({ err: error }, 'The earlier base build stays.'));
}

function readRecord(path: string): Static<typeof RecordSchema> | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Value.Check(RecordSchema, record) ? record : undefined;
  } catch {
    return undefined;
  }
}
