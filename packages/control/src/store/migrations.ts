import { type Kysely, sql } from 'kysely';
import { type Migration, type MigrationProvider, Migrator } from 'kysely/migration';
import type { Tables } from './tables.ts';

const first: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    await database.schema
      .createTable('settings')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .execute();
    await database.schema
      .createTable('teams')
      .addColumn('team_id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('slug', 'text', (column) => column.notNull().unique())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('blocked_reason', 'text')
      .execute();
    await database.schema
      .createTable('users')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('email', 'text')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await database.schema
      .createTable('team_members')
      .addColumn('team_id', 'text', (column) => column.notNull().references('teams.team_id'))
      .addColumn('user_id', 'text', (column) => column.notNull().references('users.user_id'))
      .addColumn('is_default', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('team_members_pk', ['team_id', 'user_id'])
      .execute();
    await database.schema
      .createTable('api_keys')
      .addColumn('key_id', 'text', (column) => column.primaryKey())
      .addColumn('team_id', 'text', (column) => column.notNull().references('teams.team_id'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('key_hash', 'text', (column) => column.notNull().unique())
      .addColumn('mask', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('created_by', 'text', (column) => column.references('users.user_id'))
      .addColumn('last_used_at', 'bigint')
      .execute();
    await database.schema
      .createTable('access_tokens')
      .addColumn('token_id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'text', (column) => column.notNull().references('users.user_id'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('token_hash', 'text', (column) => column.notNull().unique())
      .addColumn('mask', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await database.schema
      .createTable('sandboxes')
      .addColumn('sandbox_id', 'text', (column) => column.primaryKey())
      .addColumn('team_id', 'text', (column) => column.notNull().references('teams.team_id'))
      .addColumn('template_id', 'text', (column) => column.notNull())
      .addColumn('build_id', 'text', (column) => column.notNull())
      .addColumn('alias', 'text')
      .addColumn('envd_version', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('started_at', 'bigint', (column) => column.notNull())
      .addColumn('end_at', 'bigint', (column) => column.notNull())
      .addColumn('cpu_count', 'integer', (column) => column.notNull())
      .addColumn('memory_mib', 'integer', (column) => column.notNull())
      .addColumn('disk_mib', 'integer', (column) => column.notNull())
      .addColumn('secure', 'integer', (column) => column.notNull())
      .addColumn('metadata', 'text', (column) => column.notNull())
      .addColumn('network', 'text', (column) => column.notNull())
      .addColumn('address', 'text')
      .addColumn('lifecycle_id', 'text')
      .addColumn('ended_at', 'bigint')
      .addColumn('end_reason', 'text')
      .addColumn('end_detail', 'text')
      .addColumn('idempotency_key', 'text')
      .addColumn('idempotency_hash', 'text')
      .execute();
    await database.schema
      .createIndex('sandboxes_by_team')
      .on('sandboxes')
      .columns(['team_id', 'started_at', 'sandbox_id'])
      .execute();
    // Tombstones outnumber the living by far, so what looks for the living gets an index of only those.
    await database.schema
      .createIndex('sandboxes_alive')
      .on('sandboxes')
      .columns(['team_id', 'state', 'started_at', 'sandbox_id'])
      .where(sql.ref('ended_at'), 'is', null)
      .execute();
    await database.schema
      .createIndex('sandboxes_by_end')
      .on('sandboxes')
      .columns(['ended_at'])
      .where(sql.ref('ended_at'), 'is not', null)
      .execute();
    // One sandbox for each Idempotency-Key: the database refuses the second, whoever asks.
    await database.schema
      .createIndex('sandboxes_by_idempotency_key')
      .unique()
      .on('sandboxes')
      .columns(['team_id', 'idempotency_key'])
      .where(sql.ref('idempotency_key'), 'is not', null)
      .execute();
    await database.schema
      .createTable('template_usage')
      .addColumn('team_id', 'text', (column) => column.notNull().references('teams.team_id'))
      .addColumn('template_id', 'text', (column) => column.notNull())
      .addColumn('spawn_count', 'bigint', (column) => column.notNull())
      .addColumn('last_spawned_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('template_usage_pk', ['team_id', 'template_id'])
      .execute();
  },
};

/** In order; a migration that was released is never changed, the next one is added below it. */
const MIGRATIONS: Readonly<Record<string, Migration>> = { '0001-first': first };

const provider: MigrationProvider = { getMigrations: async () => ({ ...MIGRATIONS }) };

/** Brings the database to the present schema. Throws what the failing migration threw. */
export async function migrate(database: Kysely<Tables>): Promise<void> {
  const { error } = await new Migrator({ db: database, provider }).migrateToLatest();
  if (error !== undefined) throw error;
}
