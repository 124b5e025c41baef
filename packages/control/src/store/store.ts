import { type Dialect, Kysely } from 'kysely';
import type { Logger } from 'pino';
import { KeyStore } from './key-store.ts';
import { migrate } from './migrations.ts';
import { postgresDialect } from './postgres.ts';
import { SandboxStore } from './sandbox-store.ts';
import { SettingsStore } from './settings-store.ts';
import { sqliteDialect } from './sqlite.ts';
import type { Tables } from './tables.ts';
import { TeamStore } from './team-store.ts';
import { TemplateUsageStore } from './template-usage-store.ts';

/** What was asked for and who owns it. Every change of state is a compare-and-set. */
export interface Store {
  readonly settings: SettingsStore;
  readonly teams: TeamStore;
  readonly keys: KeyStore;
  readonly sandboxes: SandboxStore;
  readonly templateUsage: TemplateUsageStore;
  close(): Promise<void>;
}

export type DatabaseKind = 'sqlite' | 'postgres';

export interface StoreOptions {
  /** `sqlite:<path>` (`sqlite::memory:` for none) or `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly logger: Logger;
}

/** Opens the store and brings its schema up to date. Throws when the address is not understood or not reachable. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { kind, dialect } = chooseDialect(options);
  const database = new Kysely<Tables>({ dialect });
  try {
    await migrate(database);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  return {
    settings: new SettingsStore(database),
    teams: new TeamStore(database),
    keys: new KeyStore(database),
    sandboxes: new SandboxStore(database, kind),
    templateUsage: new TemplateUsageStore(database),
    close: () => database.destroy(),
  };
}

function chooseDialect({ url, logger }: StoreOptions): { kind: DatabaseKind; dialect: Dialect } {
  if (url.startsWith('sqlite:')) return { kind: 'sqlite', dialect: sqliteDialect(url.slice('sqlite:'.length)) };
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgres', dialect: postgresDialect(url, logger) };
  throw new Error(
    `The store's address must begin with sqlite: or postgres://, not ${JSON.stringify(url.slice(0, 16))}.`,
  );
}
