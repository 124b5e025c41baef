import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';

export interface Team {
  readonly teamId: string;
  readonly name: string;
  readonly slug: string;
  readonly blockedReason: string | undefined;
}

export interface User {
  readonly userId: string;
  readonly email: string | null;
}

/** A team as one of its members sees it. */
export interface Membership extends Team {
  readonly isDefault: boolean;
}

const FIRST_TEAM_SLUG = 'default';

/** Teams, users and who belongs to what. */
export class TeamStore {
  readonly #database: Kysely<Tables>;

  constructor(database: Kysely<Tables>) {
    this.#database = database;
  }

  /** The team and user that every installation begins with, made when they are missing. */
  async ensureFirst(): Promise<{ team: Team; user: User }> {
    return this.#database.transaction().execute(async (transaction) => {
      const createdAt = Date.now();
      await transaction
        .insertInto('teams')
        .values({
          team_id: randomUUID(),
          name: 'Default',
          slug: FIRST_TEAM_SLUG,
          created_at: createdAt,
          blocked_reason: null,
        })
        .onConflict((conflict) => conflict.column('slug').doNothing())
        .execute();
      const teamRow = await transaction
        .selectFrom('teams')
        .selectAll()
        .where('slug', '=', FIRST_TEAM_SLUG)
        .executeTakeFirstOrThrow();
      const known = await transaction
        .selectFrom('team_members')
        .innerJoin('users', 'users.user_id', 'team_members.user_id')
        .select(['users.user_id', 'users.email'])
        .where('team_id', '=', teamRow.team_id)
        .orderBy('users.created_at')
        .limit(1)
        .executeTakeFirst();
      if (known !== undefined) return { team: readTeam(teamRow), user: { userId: known.user_id, email: known.email } };
      const user = { user_id: randomUUID(), email: null, created_at: createdAt };
      await transaction.insertInto('users').values(user).execute();
      await transaction
        .insertInto('team_members')
        .values({ team_id: teamRow.team_id, user_id: user.user_id, is_default: 1 })
        .execute();
      return { team: readTeam(teamRow), user: { userId: user.user_id, email: null } };
    });
  }

  /** Makes a team, with `userId` as a member of it where one is named. */
  async create(request: { name: string; slug: string; userId?: string }): Promise<Team> {
    const team = {
      team_id: randomUUID(),
      name: request.name,
      slug: request.slug,
      created_at: Date.now(),
      blocked_reason: null,
    };
    await this.#database.insertInto('teams').values(team).execute();
    if (request.userId !== undefined) {
      await this.#database
        .insertInto('team_members')
        .values({ team_id: team.team_id, user_id: request.userId, is_default: 0 })
        .execute();
    }
    return readTeam(team);
  }

  async get(teamId: string): Promise<Team | undefined> {
    const row = await this.#database.selectFrom('teams').selectAll().where('team_id', '=', teamId).executeTakeFirst();
    return row === undefined ? undefined : readTeam(row);
  }

  /** Blocks a team with a reason that its callers read, or lifts the block. */
  async setBlocked(teamId: string, reason: string | undefined): Promise<void> {
    await this.#database
      .updateTable('teams')
      .set({ blocked_reason: reason ?? null })
      .where('team_id', '=', teamId)
      .execute();
  }

  /** The teams of a user, the default one first. */
  async ofUser(userId: string): Promise<Membership[]> {
    const rows = await this.#database
      .selectFrom('teams')
      .innerJoin('team_members', 'team_members.team_id', 'teams.team_id')
      .selectAll('teams')
      .select('team_members.is_default')
      .where('team_members.user_id', '=', userId)
      .orderBy('team_members.is_default', 'desc')
      .orderBy('teams.created_at')
      .execute();
    return rows.map((row) => ({ ...readTeam(row), isDefault: row.is_default === 1 }));
  }
}

function readTeam(row: { team_id: string; name: string; slug: string; blocked_reason: string | null }): Team {
  return { teamId: row.team_id, name: row.name, slug: row.slug, blockedReason: row.blocked_reason ?? undefined };
}
