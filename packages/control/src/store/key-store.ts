import { randomUUID } from 'node:crypto';
import type { KeyMask } from '@atoll/contract/rest';
import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';
import type { User } from './team-store.ts';

/** A key or token as the store takes it: nothing from which it could be used. */
export interface KeyRecord {
  readonly hash: string;
  readonly mask: KeyMask;
}

export interface ApiKeyEntry {
  readonly keyId: string;
  readonly teamId: string;
  readonly name: string;
  readonly mask: KeyMask;
  readonly createdAt: number;
  readonly createdBy: User | undefined;
  readonly lastUsedAt: number | undefined;
}

export interface AccessTokenEntry {
  readonly tokenId: string;
  readonly userId: string;
  readonly name: string;
  readonly mask: KeyMask;
  readonly createdAt: number;
}

/** API keys of teams and access tokens of users, by hash. */
export class KeyStore {
  readonly #database: Kysely<Tables>;

  constructor(database: Kysely<Tables>) {
    this.#database = database;
  }

  /** Keeps a key. One that is there already stays as it is. */
  async addApiKey(teamId: string, name: string, record: KeyRecord, createdBy?: User): Promise<ApiKeyEntry> {
    const row = {
      key_id: randomUUID(),
      team_id: teamId,
      name,
      key_hash: record.hash,
      mask: JSON.stringify(record.mask),
      created_at: Date.now(),
      created_by: createdBy?.userId ?? null,
      last_used_at: null,
    };
    await this.#database
      .insertInto('api_keys')
      .values(row)
      .onConflict((conflict) => conflict.column('key_hash').doNothing())
      .execute();
    return readApiKey({ ...row, email: createdBy?.email ?? null });
  }

  async findApiKey(hash: string): Promise<{ keyId: string; teamId: string } | undefined> {
    const row = await this.#database
      .selectFrom('api_keys')
      .select(['key_id', 'team_id'])
      .where('key_hash', '=', hash)
      .executeTakeFirst();
    return row === undefined ? undefined : { keyId: row.key_id, teamId: row.team_id };
  }

  /** Oldest first. */
  async listApiKeys(teamId: string): Promise<ApiKeyEntry[]> {
    const rows = await this.#apiKeys().where('api_keys.team_id', '=', teamId).orderBy('api_keys.created_at').execute();
    return rows.map(readApiKey);
  }

  /** The renamed key; undefined when the team has no such key. */
  async renameApiKey(teamId: string, keyId: string, name: string): Promise<ApiKeyEntry | undefined> {
    const renamed = await this.#database
      .updateTable('api_keys')
      .set({ name })
      .where('team_id', '=', teamId)
      .where('key_id', '=', keyId)
      .returning('key_id')
      .executeTakeFirst();
    if (renamed === undefined) return undefined;
    return readApiKey(await this.#apiKeys().where('api_keys.key_id', '=', keyId).executeTakeFirstOrThrow());
  }

  /** False when the team has no such key. */
  async removeApiKey(teamId: string, keyId: string): Promise<boolean> {
    const removed = await this.#database
      .deleteFrom('api_keys')
      .where('team_id', '=', teamId)
      .where('key_id', '=', keyId)
      .returning('key_id')
      .executeTakeFirst();
    return removed !== undefined;
  }

  async touchApiKey(keyId: string, at: number): Promise<void> {
    await this.#database.updateTable('api_keys').set({ last_used_at: at }).where('key_id', '=', keyId).execute();
  }

  /** Keeps a token. One that is there already stays as it is. */
  async addAccessToken(userId: string, name: string, record: KeyRecord): Promise<AccessTokenEntry> {
    const row = {
      token_id: randomUUID(),
      user_id: userId,
      name,
      token_hash: record.hash,
      mask: JSON.stringify(record.mask),
      created_at: Date.now(),
    };
    await this.#database
      .insertInto('access_tokens')
      .values(row)
      .onConflict((conflict) => conflict.column('token_hash').doNothing())
      .execute();
    return { tokenId: row.token_id, userId, name, mask: record.mask, createdAt: row.created_at };
  }

  async findAccessToken(hash: string): Promise<{ tokenId: string; user: User } | undefined> {
    const row = await this.#database
      .selectFrom('access_tokens')
      .innerJoin('users', 'users.user_id', 'access_tokens.user_id')
      .select(['token_id', 'users.user_id', 'users.email'])
      .where('token_hash', '=', hash)
      .executeTakeFirst();
    return row === undefined ? undefined : { tokenId: row.token_id, user: { userId: row.user_id, email: row.email } };
  }

  /** False when the user has no such token. */
  async removeAccessToken(userId: string, tokenId: string): Promise<boolean> {
    const removed = await this.#database
      .deleteFrom('access_tokens')
      .where('user_id', '=', userId)
      .where('token_id', '=', tokenId)
      .returning('token_id')
      .executeTakeFirst();
    return removed !== undefined;
  }

  #apiKeys() {
    return this.#database
      .selectFrom('api_keys')
      .leftJoin('users', 'users.user_id', 'api_keys.created_by')
      .selectAll('api_keys')
      .select('users.email');
  }
}

function readApiKey(row: Tables['api_keys'] & { email: string | null }): ApiKeyEntry {
  return {
    keyId: row.key_id,
    teamId: row.team_id,
    name: row.name,
    mask: JSON.parse(row.mask),
    createdAt: row.created_at,
    createdBy: row.created_by === null ? undefined : { userId: row.created_by, email: row.email },
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
