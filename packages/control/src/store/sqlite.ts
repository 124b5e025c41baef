import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { type Dialect, type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';

/** How long a statement waits for another process's lock (a backup, a person's sqlite3) before it fails. */
const BUSY_TIMEOUT_MS = 5000;
/** The statements the API repeats number about fifty; a list query makes a few more shapes. */
const MAX_PREPARED_STATEMENTS = 256;

/** A Kysely dialect on node:sqlite. `path`: a file, made with its folder when missing, or `:memory:`. */
export function sqliteDialect(path: string): Dialect {
  return new SqliteDialect({ database: async () => openDatabase(path) });
}

function openDatabase(path: string): SqliteDatabase {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
  // WAL with NORMAL: a commit costs no disk flush. A power cut may lose the last moments, never consistency,
  // and reconciling with the node repairs what was lost.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  const prepared = new Map<string, SqliteStatement>();
  return {
    prepare(text: string): SqliteStatement {
      const known = prepared.get(text);
      if (known !== undefined) return known;
      if (prepared.size >= MAX_PREPARED_STATEMENTS) prepared.clear();
      const statement = adaptStatement(database.prepare(text));
      prepared.set(text, statement);
      return statement;
    },
    close(): void {
      prepared.clear();
      database.close();
    },
  };
}

/** node:sqlite's statement in the form that Kysely's SQLite driver calls. */
function adaptStatement(statement: StatementSync): SqliteStatement {
  const reader = statement.columns().length > 0;
  return {
    reader,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}
