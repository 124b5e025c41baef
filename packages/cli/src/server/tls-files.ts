import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrivateCa } from '@atoll/edge';
import { CliError } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';

/** Files of the edge's certificate. `authority` only for one we signed ourselves: clients must be told to trust it. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly authority: string | undefined;
}

/** The certificate named by the settings, else one of a private CA that is kept in the data directory. */
export async function provideTlsFiles(settings: Settings, domain: string): Promise<TlsFiles> {
  if (settings.tlsCert === undefined || settings.tlsKey === undefined) {
    const directory = join(settings.dataDir, 'tls');
    const files = await ensurePrivateCa({ directory, domain });
    // Clients of any user need the CA's certificate. The keys are files that only root may read.
    await chmod(directory, 0o711);
    return { cert: files.certPath, key: files.keyPath, authority: files.caPath };
  }
  for (const path of [settings.tlsCert, settings.tlsKey]) {
    if (!existsSync(path)) throw new CliError(`The TLS file ${path} does not exist.`);
  }
  return { cert: settings.tlsCert, key: settings.tlsKey, authority: undefined };
}
