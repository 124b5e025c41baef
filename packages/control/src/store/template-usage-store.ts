import { type Kysely, sql } from 'kysely';
import type { Tables } from './tables.ts';

/** How often and when last a team started a template. */
export interface TemplateUsage {
  readonly spawnCount: number;
  /** Unix milliseconds. */
  readonly lastSpawnedAt: number;
}

export class TemplateUsageStore {
  readonly #database: Kysely<Tables>;

  constructor(database: Kysely<Tables>) {
    this.#database = database;
  }

  async count(teamId: string, templateId: string, at: number): Promise<void> {
    await this.#database
      .insertInto('template_usage')
      .values({ team_id: teamId, template_id: templateId, spawn_count: 1, last_spawned_at: at })
      .onConflict((conflict) =>
        conflict
          .columns(['team_id', 'template_id'])
          .doUpdateSet({ spawn_count: sql<number>`template_usage.spawn_count + 1`, last_spawned_at: at }),
      )
      .execute();
  }

  /** By template id. */
  async ofTeam(teamId: string): Promise<Map<string, TemplateUsage>> {
    const rows = await this.#database.selectFrom('template_usage').selectAll().where('team_id', '=', teamId).execute();
    return new Map(
      rows.map((row) => [row.template_id, { spawnCount: row.spawn_count, lastSpawnedAt: row.last_spawned_at }]),
    );
  }
}
