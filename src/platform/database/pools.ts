import { Logger } from '@nestjs/common';
import { Pool, type PoolConfig } from 'pg';

type PoolSettings = Pick<
  PoolConfig,
  | 'max'
  | 'statement_timeout'
  | 'query_timeout'
  | 'idle_in_transaction_session_timeout'
  | 'idleTimeoutMillis'
  | 'pipeline'
>;

/**
 * Settings of every session. Times are in UTC. Statements are not compiled to machine code: a plan over many chunks has
 * thousands of expressions, and compiling them took a second and a half where running them took a tenth of one.
 */
export const SESSION_OPTIONS = '-c TimeZone=UTC -c jit=off';

const CONNECT_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
/** A statement whose time is over for so long belongs to a server that no longer answers at all. */
const SILENT_SERVER_MS = 5_000;

/**
 * Connections of one purpose. Sessions run with SESSION_OPTIONS; bigint and numeric arrive as strings, timestamptz as `Date` (and
 * `±infinity` as the number `±Infinity`). Broken connections are logged and replaced, they never end the process.
 */
export abstract class DatabasePool extends Pool {
  constructor(databaseUrl: string, purpose: string, settings: PoolSettings) {
    super({
      connectionString: databaseUrl,
      application_name: `usage-analytics ${purpose}`,
      options: SESSION_OPTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      ...settings,
    });
    const logger = new Logger(this.constructor.name);
    this.on('error', (err) => logger.warn({ err, purpose }, 'An idle database connection was lost'));
    // While a connection is lent out the pool does not listen, and an unheard error would end the process. Whoever
    // uses the connection gets the same error from the statement.
    this.on('connect', (client) => client.on('error', () => undefined));
  }
}

/** Answers requests: every statement is cut off after DATABASE_STATEMENT_TIMEOUT. */
export class ApiPool extends DatabasePool {
  constructor(databaseUrl: string, size: number, statementTimeoutMs: number) {
    super(databaseUrl, 'api', {
      max: size,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + SILENT_SERVER_MS,
      idle_in_transaction_session_timeout: 60_000,
    });
  }
}

/**
 * TypeORM's pool of rows with a lifecycle: API keys, exports, repairs. Its statements touch single rows, so one that is
 * slow waits for a lock that somebody holds. It is given up at half of DATABASE_STATEMENT_TIMEOUT, as something that may
 * be tried again (`55P03`), so that those who wait for one row do not keep everybody's keys from being looked up.
 */
export function rowPoolSettings(statementTimeoutMs: number): PoolConfig {
  return {
    max: 8,
    options: SESSION_OPTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    lock_timeout: Math.ceil(statementTimeoutMs / 2),
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + SILENT_SERVER_MS,
    idle_in_transaction_session_timeout: 60_000,
  };
}

/**
 * Commits batches. Its connections pipeline: statements go out without waiting for the answer to the one before, and
 * are answered in their order. A statement must not be sent behind one whose failure would change what it means.
 *
 * A replica that freezes within a batch holds the cursor's row for at most half a minute, and a
 * server that falls silent costs at most 75 s until the batch is tried again.
 */
export class IngestPool extends DatabasePool {
  constructor(databaseUrl: string) {
    super(databaseUrl, 'ingest', {
      max: 8,
      idleTimeoutMillis: 60_000,
      statement_timeout: 60_000,
      query_timeout: 75_000,
      idle_in_transaction_session_timeout: 30_000,
      pipeline: true,
    });
  }
}

/** What only the owner of the relations can do on TimescaleDB: refresh, compress, drop. Statements have no limit. */
export class OwnerPool extends DatabasePool {
  constructor(ownerUrl: string) {
    super(ownerUrl, 'owner', { max: 4, idle_in_transaction_session_timeout: 60_000 });
  }
}

/** Refreshes rollups, expires data, writes exports: work that may take long, so statements have no limit. */
export class WorkerPool extends DatabasePool {
  constructor(databaseUrl: string) {
    super(databaseUrl, 'worker', { max: 4, idle_in_transaction_session_timeout: 60_000 });
  }
}
