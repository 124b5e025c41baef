import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAccessToken, newApiKey } from '@atoll/contract';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { CliError } from '../cli-error.ts';
import { DEFAULT_DATA_DIR, type Settings } from '../settings/schema.ts';
import { chooseNetworkRange } from './network-range.ts';

const IdentitySchema = Type.Object({
  instance: Type.String(),
  cidr: Type.String(),
  apiKey: Type.String(),
  accessToken: Type.String(),
  adminToken: Type.String(),
});

/** What an instance keeps from start to start: its names on the host, its addresses, its first keys. */
export type Identity = Static<typeof IdentitySchema>;

/** The identity that was used before, changed by what the settings say, and written back. */
export function establishIdentity(settings: Settings): Identity {
  const { dataDir } = settings;
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const known = readIdentity(dataDir);
  const identity: Identity = {
    instance: settings.instance ?? known?.instance ?? instanceName(dataDir),
    cidr: settings.cidr ?? known?.cidr ?? chooseNetworkRange(dataDir),
    apiKey: settings.apiKey ?? known?.apiKey ?? newApiKey(),
    accessToken: settings.accessToken ?? known?.accessToken ?? newAccessToken(),
    adminToken: settings.adminToken ?? known?.adminToken ?? randomBytes(32).toString('hex'),
  };
  if (JSON.stringify(identity) !== JSON.stringify(known)) {
    const path = identityFile(dataDir);
    writeFileSync(`${path}.tmp`, `${JSON.stringify(identity, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }
  return identity;
}

/** The identity a data directory has; undefined when no server ever started on it. */
export function readIdentity(dataDir: string): Identity | undefined {
  const path = identityFile(dataDir);
  if (!existsSync(path)) return undefined;
  const identity: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (Value.Check(IdentitySchema, identity)) return identity;
  throw new CliError(`${path} is damaged: it does not hold an instance's identity.`, {
    remedy: `Restore it from a backup, or remove it: new keys are made at the next start`,
  });
}

const identityFile = (dataDir: string) => join(dataDir, 'identity.json');

/** `atoll` on the default directory, else a name that its path alone decides. */
export function instanceName(dataDir: string): string {
  if (dataDir === DEFAULT_DATA_DIR) return 'atoll';
  return `a${createHash('sha256').update(dataDir).digest('hex').slice(0, 6)}`;
}
