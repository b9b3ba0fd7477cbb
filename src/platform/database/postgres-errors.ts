/**
 * What a failure of PostgreSQL or of the way to it means for the caller, decided by SQLSTATE and never by the
 * server's message text. SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** Classes and codes after which the same work may succeed unchanged. */
const TRANSIENT_CLASSES = [
  '08', // connection exception
  '53', // insufficient resources: disk full, out of memory, too many connections
  '58', // system error outside PostgreSQL itself, for example I/O
];
const TRANSIENT_CODES = new Set([
  '25006', // read_only_sql_transaction: connected to a standby during a failover
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '57014', // query_canceled: statement timeout or an operator
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
]);

/** Codes of the operating system and of Node.js that mean the server could not be reached or has gone. */
const CONNECTION_CODES = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT', // the server's Unix socket is not there
  'ENOTFOUND',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
  'ETIMEDOUT',
]);

/** node-postgres gives its own connection errors no code; these are the texts of pg 8 and pg-pool 3. */
const DRIVER_CONNECTION_MESSAGES = new Set([
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Connection terminated',
  'Connection terminated due to connection timeout',
  'Connection terminated unexpectedly',
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
]);

const SQLSTATE = /^[0-9A-Z]{5}$/;

interface ServerError {
  readonly code: string;
  readonly routine?: string;
  readonly constraint?: string;
}

/** The server's five-character code, or `undefined` when the failure did not come from the server. */
export function sqlState(error: unknown): string | undefined {
  return serverError(error)?.code;
}

/** The same work may succeed unchanged later: retry it, acknowledge nothing, quarantine nothing. */
export function isTransient(error: unknown): boolean {
  const code = sqlState(error);
  if (code === undefined) return isConnectionError(error);
  return TRANSIENT_CODES.has(code) || TRANSIENT_CLASSES.includes(code.slice(0, 2));
}

/** The connection is gone or unusable; whether a COMMIT that was under way took effect is unknown. */
export function isConnectionError(error: unknown): boolean {
  const code = sqlState(error);
  if (code !== undefined) return code.startsWith('08') || code.startsWith('57P') || code === '25P03';
  for (const cause of causes(error)) {
    if (CONNECTION_CODES.has(textOf(cause, 'code') ?? '')) return true;
    if (DRIVER_CONNECTION_MESSAGES.has(textOf(cause, 'message') ?? '')) return true;
  }
  return false;
}

/** A value of the statement cannot be stored as it is, whenever it is tried; a missing partition is not meant. */
export function isDataError(error: unknown): boolean {
  const code = sqlState(error);
  if (code === undefined || isMissingPartition(error)) return false;
  return code.startsWith('22') || code.startsWith('23');
}

/** A row has no partition to go to: make the partitions (`StorageEngine.prepare`) and try again. */
export function isMissingPartition(error: unknown): boolean {
  const failure = serverError(error);
  // A violated check constraint has the same code, but names the constraint and comes from elsewhere.
  return (
    failure?.code === '23514' && failure.constraint === undefined && failure.routine === 'ExecFindPartition'
  );
}

/** A row with this key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505';
}

/** Refused only because an earlier statement of the transaction has failed. */
export function isConsequence(error: unknown): boolean {
  return sqlState(error) === '25P02';
}

/** Somebody else held a lock for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === '55P03';
}

/** The statement ran longer than `statement_timeout`, or someone cancelled it. */
export function isStatementTimeout(error: unknown): boolean {
  return sqlState(error) === '57014';
}

function serverError(error: unknown): ServerError | undefined {
  for (const cause of causes(error)) {
    const code = textOf(cause, 'code');
    // EPIPE has five capitals as well; only the server says how severe an error is.
    if (code !== undefined && SQLSTATE.test(code) && textOf(cause, 'severity') !== undefined) {
      return { code, routine: textOf(cause, 'routine'), constraint: textOf(cause, 'constraint') };
    }
  }
  return undefined;
}

/** The error and what it wraps: `cause`, TypeORM's `driverError`, the attempts of an `AggregateError`. */
function* causes(error: unknown, depth = 0): Generator<object> {
  if (typeof error !== 'object' || error === null || depth > 5) return;
  yield error;
  if ('driverError' in error) yield* causes(error.driverError, depth + 1);
  if (error instanceof AggregateError) for (const each of error.errors) yield* causes(each, depth + 1);
  if ('cause' in error) yield* causes(error.cause, depth + 1);
}

function textOf(value: object, key: string): string | undefined {
  const text: unknown = Reflect.get(value, key);
  return typeof text === 'string' ? text : undefined;
}
