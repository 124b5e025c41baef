/**
 * The tables, as both databases hold them. Portable on purpose: times are unix milliseconds in 64-bit integers,
 * booleans are 0 or 1, and structured values are JSON in text columns, read and written only by the stores here.
 */
export interface Tables {
  settings: SettingsTable;
  teams: TeamsTable;
  users: UsersTable;
  team_members: TeamMembersTable;
  api_keys: ApiKeysTable;
  access_tokens: AccessTokensTable;
  sandboxes: SandboxesTable;
  template_usage: TemplateUsageTable;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface TeamsTable {
  team_id: string;
  name: string;
  slug: string;
  created_at: number;
  /** Why the team may not use the API; null: it may. */
  blocked_reason: string | null;
}

export interface UsersTable {
  user_id: string;
  email: string | null;
  created_at: number;
}

export interface TeamMembersTable {
  team_id: string;
  user_id: string;
  is_default: number;
}

export interface ApiKeysTable {
  key_id: string;
  team_id: string;
  name: string;
  /** SHA-256 of the key, hex; the key itself is nowhere. */
  key_hash: string;
  /** JSON of the mask that answers show. */
  mask: string;
  created_at: number;
  created_by: string | null;
  last_used_at: number | null;
}

export interface AccessTokensTable {
  token_id: string;
  user_id: string;
  name: string;
  token_hash: string;
  mask: string;
  created_at: number;
}

export interface SandboxesTable {
  sandbox_id: string;
  team_id: string;
  template_id: string;
  build_id: string;
  alias: string | null;
  envd_version: string;
  state: string;
  started_at: number;
  end_at: number;
  cpu_count: number;
  memory_mib: number;
  disk_mib: number;
  secure: number;
  /** JSON map. */
  metadata: string;
  /** JSON of what was asked for under `network` and `allow_internet_access`. */
  network: string;
  address: string | null;
  lifecycle_id: string | null;
  /** When it ended; null while it lives. Rows stay as tombstones for a while. */
  ended_at: number | null;
  end_reason: string | null;
  end_detail: string | null;
  idempotency_key: string | null;
  idempotency_hash: string | null;
}

export interface TemplateUsageTable {
  team_id: string;
  template_id: string;
  spawn_count: number;
  last_spawned_at: number;
}
