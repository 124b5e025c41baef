import { type Kysely, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import type { NetworkSettings, SandboxEnd, SandboxRecord } from '../sandboxes/record.ts';
import { isOver, type SandboxState, statesBefore } from '../sandboxes/states.ts';
import { readRow, writeRow } from './sandbox-row.ts';
import type { DatabaseKind } from './store.ts';
import type { Tables } from './tables.ts';

/** Which sandboxes of a team a list shows; everything given must match. */
export interface SandboxFilter {
  readonly teamId: string;
  readonly states: readonly SandboxState[];
  readonly metadata?: Readonly<Record<string, string>>;
  /** Unix milliseconds, inclusive. */
  readonly startedAfter?: number;
  readonly templateId?: string;
}

/** Where a page begins: after this sandbox, in the given order of start. */
export interface SandboxPage {
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly after?: { readonly startedAt: number; readonly sandboxId: string };
}

export type InsertOutcome = 'inserted' | 'limit_reached' | 'idempotency_key_taken';

/** Sandboxes, living and tombstones. */
export class SandboxStore {
  readonly #database: Kysely<Tables>;
  readonly #kind: DatabaseKind;

  constructor(database: Kysely<Tables>, kind: DatabaseKind) {
    this.#database = database;
    this.#kind = kind;
  }

  /** Adds a row, unless the team has `limit` living sandboxes already or its Idempotency-Key is in use. */
  async insert(record: SandboxRecord, limit: number): Promise<InsertOutcome> {
    return this.#database.transaction().execute(async (transaction) => {
      // PostgreSQL runs transactions side by side: two of one team must count one after the other.
      // SQLite has one writer anyway.
      if (this.#kind === 'postgres') {
        await transaction
          .selectFrom('teams')
          .select('team_id')
          .where('team_id', '=', record.teamId)
          .forUpdate()
          .execute();
      }
      if ((await countAlive(transaction, record.teamId)) >= limit) return 'limit_reached';
      const inserted = await transaction
        .insertInto('sandboxes')
        .values(writeRow(record))
        .onConflict((conflict) =>
          conflict.columns(['team_id', 'idempotency_key']).where('idempotency_key', 'is not', null).doNothing(),
        )
        .returning('sandbox_id')
        .executeTakeFirst();
      return inserted === undefined ? 'idempotency_key_taken' : 'inserted';
    });
  }

  async get(sandboxId: string): Promise<SandboxRecord | undefined> {
    const row = await this.#database
      .selectFrom('sandboxes')
      .selectAll()
      .where('sandbox_id', '=', sandboxId)
      .executeTakeFirst();
    return row === undefined ? undefined : readRow(row);
  }

  async byIdempotencyKey(teamId: string, key: string): Promise<SandboxRecord | undefined> {
    const row = await this.#database
      .selectFrom('sandboxes')
      .selectAll()
      .where('team_id', '=', teamId)
      .where('idempotency_key', '=', key)
      .executeTakeFirst();
    return row === undefined ? undefined : readRow(row);
  }

  /**
   * Changes the state where the table of states allows it; undefined: the sandbox is in another state, or unknown.
   * `endAtOrBefore` makes it conditional on the deadline too, so that a deadline just extended is not missed.
   */
  async transition(
    sandboxId: string,
    to: SandboxState,
    changes: {
      address?: string;
      lifecycleId?: string;
      startedAt?: number;
      endAt?: number;
      end?: SandboxEnd;
      endAtOrBefore?: number;
      from?: readonly SandboxState[];
    } = {},
  ): Promise<SandboxRecord | undefined> {
    const from = statesBefore(to).filter((state) => changes.from === undefined || changes.from.includes(state));
    if (from.length === 0) return undefined;
    let update = this.#database
      .updateTable('sandboxes')
      .set({
        state: to,
        ...(changes.address !== undefined && { address: changes.address }),
        ...(changes.lifecycleId !== undefined && { lifecycle_id: changes.lifecycleId }),
        ...(changes.startedAt !== undefined && { started_at: changes.startedAt }),
        ...(changes.endAt !== undefined && { end_at: changes.endAt }),
        ...(changes.end && { end_reason: changes.end.reason, end_detail: changes.end.detail }),
        // A kill that has begun already knows its reason; only the last step makes the row a tombstone.
        ...(isOver(to) && { ended_at: changes.end?.at ?? Date.now() }),
      })
      .where('sandbox_id', '=', sandboxId)
      .where('state', 'in', from);
    if (changes.endAtOrBefore !== undefined) update = update.where('end_at', '<=', changes.endAtOrBefore);
    const row = await update.returningAll().executeTakeFirst();
    return row === undefined ? undefined : readRow(row);
  }

  /** Sets the deadline of a running sandbox. `onlyLater`: an earlier one changes nothing. Undefined: it does not run. */
  async setDeadline(
    sandboxId: string,
    endAt: number,
    options: { onlyLater: boolean },
  ): Promise<SandboxRecord | undefined> {
    const value: RawBuilder<number> = options.onlyLater
      ? sql<number>`case when end_at < ${endAt} then ${endAt} else end_at end`
      : sql<number>`${endAt}`;
    const row = await this.#database
      .updateTable('sandboxes')
      .set({ end_at: this.#kind === 'postgres' ? sql<number>`(${value})::bigint` : value })
      .where('sandbox_id', '=', sandboxId)
      .where('state', '=', 'running')
      .returningAll()
      .executeTakeFirst();
    return row === undefined ? undefined : readRow(row);
  }

  /** Undefined: it does not run. */
  async setNetwork(sandboxId: string, network: NetworkSettings): Promise<SandboxRecord | undefined> {
    const row = await this.#database
      .updateTable('sandboxes')
      .set({ network: JSON.stringify(network) })
      .where('sandbox_id', '=', sandboxId)
      .where('state', '=', 'running')
      .returningAll()
      .executeTakeFirst();
    return row === undefined ? undefined : readRow(row);
  }

  async list(filter: SandboxFilter, page: SandboxPage): Promise<SandboxRecord[]> {
    const { order, after } = page;
    let query = this.#matching(filter).selectAll();
    if (after !== undefined) {
      const beyond = order === 'asc' ? '>' : '<';
      query = query.where((where) =>
        where.or([
          where('started_at', beyond, after.startedAt),
          where.and([where('started_at', '=', after.startedAt), where('sandbox_id', beyond, after.sandboxId)]),
        ]),
      );
    }
    const rows = await query.orderBy('started_at', order).orderBy('sandbox_id', order).limit(page.limit).execute();
    return rows.map(readRow);
  }

  async count(filter: SandboxFilter): Promise<number> {
    const row = await this.#matching(filter)
      .select((select) => select.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return row.count;
  }

  /** How many sandboxes of the team live, those that start or end included. */
  async countAlive(teamId: string): Promise<number> {
    return countAlive(this.#database, teamId);
  }

  /** Everything that has not ended, of all teams. */
  async alive(): Promise<SandboxRecord[]> {
    const rows = await this.#database.selectFrom('sandboxes').selectAll().where('ended_at', 'is', null).execute();
    return rows.map(readRow);
  }

  /** Running sandboxes by team. */
  async runningByTeam(): Promise<Map<string, number>> {
    const rows = await this.#database
      .selectFrom('sandboxes')
      .select((select) => ['team_id', select.fn.countAll<number>().as('count')])
      .where('ended_at', 'is', null)
      .where('state', 'in', ['running', 'snapshotting'])
      .groupBy('team_id')
      .execute();
    return new Map(rows.map((row) => [row.team_id, row.count]));
  }

  /** When the team's sandboxes that ran at any time between two moments began and ended. */
  async lifetimes(
    teamId: string,
    range: { start: number; end: number },
  ): Promise<{ startedAt: number; endedAt: number | undefined }[]> {
    const rows = await this.#database
      .selectFrom('sandboxes')
      .select(['started_at', 'ended_at'])
      .where('team_id', '=', teamId)
      .where('started_at', '<=', range.end)
      .where('lifecycle_id', 'is not', null)
      .where((where) => where.or([where('ended_at', 'is', null), where('ended_at', '>', range.start)]))
      .execute();
    return rows.map((row) => ({ startedAt: row.started_at, endedAt: row.ended_at ?? undefined }));
  }

  /** Lets the sandbox's Idempotency-Key be used again. */
  async releaseIdempotencyKey(sandboxId: string): Promise<void> {
    await this.#database
      .updateTable('sandboxes')
      .set({ idempotency_key: null, idempotency_hash: null })
      .where('sandbox_id', '=', sandboxId)
      .execute();
  }

  /** Lets Idempotency-Keys of sandboxes that started before `startedBefore` be used again. */
  async releaseIdempotencyKeys(startedBefore: number): Promise<void> {
    await this.#database
      .updateTable('sandboxes')
      .set({ idempotency_key: null, idempotency_hash: null })
      .where('idempotency_key', 'is not', null)
      .where('started_at', '<', startedBefore)
      .execute();
  }

  /** Forgets sandboxes that ended before `endedBefore`. */
  async removeTombstones(endedBefore: number): Promise<void> {
    await this.#database.deleteFrom('sandboxes').where('ended_at', '<', endedBefore).execute();
  }

  #matching(filter: SandboxFilter): SelectQueryBuilder<Tables, 'sandboxes', object> {
    let query = this.#database
      .selectFrom('sandboxes')
      .where('team_id', '=', filter.teamId)
      .where('ended_at', 'is', null)
      .where('state', 'in', filter.states.length > 0 ? filter.states : ['none']);
    if (filter.startedAfter !== undefined) query = query.where('started_at', '>=', filter.startedAfter);
    if (filter.templateId !== undefined) query = query.where('template_id', '=', filter.templateId);
    for (const [key, value] of Object.entries(filter.metadata ?? {})) {
      query = query.where(this.#metadataIs(key, value));
    }
    return query;
  }

  #metadataIs(key: string, value: string): RawBuilder<boolean> {
    if (this.#kind === 'postgres') return sql<boolean>`(metadata::jsonb ->> ${key}) = ${value}`;
    return sql<boolean>`exists (select 1 from json_each(sandboxes.metadata) as pair
      where pair.key = ${key} and pair.value = ${value})`;
  }
}

async function countAlive(database: Kysely<Tables>, teamId: string): Promise<number> {
  const row = await database
    .selectFrom('sandboxes')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('team_id', '=', teamId)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  return row.count;
}
