import { AtollError } from '@atoll/contract';
import { type Dialect, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Logger } from 'pino';

const MAX_CONNECTIONS = 20;
const CONNECT_TIMEOUT_MS = 10_000;
/** A query of ours takes milliseconds; one that takes this long waits for a lock that will not come. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** PostgreSQL's type number of bigint, which pg hands out as text unless told otherwise. */
const INT8_OID = 20;

/** A Kysely dialect on pg. `url`: `postgres://user:password@host:port/database`. */
export function postgresDialect(url: string, logger: Logger): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    types: { getTypeParser },
  });
  // An idle connection that breaks is replaced by the pool; without a listener the error would end the process.
  pool.on('error', (error) => logger.warn({ err: error }, 'a database connection broke'));
  return new PostgresDialect({
    pool: {
      options: pool.options,
      connect: () => pool.connect().catch((error: unknown) => Promise.reject(unavailable(error))),
      end: () => pool.end(),
    },
  });
}

function unavailable(cause: unknown): AtollError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AtollError('database_unavailable', `The database cannot be reached: ${reason}.`, { cause });
}

// Our 64-bit columns hold milliseconds and counts, all far below 2^53.
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === INT8_OID) return Number;
  return pg.types.getTypeParser(oid, format as 'text');
}
