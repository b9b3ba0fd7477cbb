import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { chooseEngine, type DatabaseFacts, SchemaRefusedError, type WantedEngine } from './engine-choice';
import { type MigrationFile, migrationFiles, migrationName } from './migration-files';
import { isLockTimeout, isTransient, sqlState } from './postgres-errors';
import { sql } from './sql';
import type { StorageEngineKind } from './storage-engine';

type Log = (message: string, fields?: Record<string, unknown>) => void;

export interface MigrateOptions {
  readonly databaseUrl: string;
  readonly engine: WantedEngine;
  readonly log?: Log;
}

const lockSchema = sql('platform/lock-schema');
const readDatabaseFacts = sql('platform/read-database-facts');
const readSchemaEngine = sql('platform/read-schema-engine');
const createChecksums = sql('platform/create-schema-checksums');
const readChecksums = sql('platform/read-schema-checksums');
const recordChecksum = sql('platform/record-schema-checksum');
const recordEngine = sql('platform/record-schema-engine');
const createTimescale = sql('engine/timescale/create-extension');
const readLicence = sql('engine/timescale/read-licence');

/** Whoever wants a table waits behind a migration that waits for it: not longer than this, then they are let pass. */
const LOCK_TIMEOUT_MS = 2_000;
const PAUSE_MS = 2_000;
/** Longer than a release should take; an export of a month holds its snapshot for a minute. */
const PATIENCE_MS = 10 * 60_000;

/**
 * Brings the database to the schema of this release and answers which engine it has. Each file is one transaction;
 * replicas that start together wait for each other. A file whose tables are in use is tried again for ten minutes, then
 * the database's error is thrown. Throws `SchemaRefusedError` for a database that cannot be used.
 */
export async function migrate(options: MigrateOptions): Promise<StorageEngineKind> {
  const { databaseUrl, log = () => undefined } = options;
  return withLockedSchema(databaseUrl, async (client) => {
    const engine = await settleEngine(client, options);
    await client.query(createChecksums.text);
    const pending = await pendingFiles(client, engine);
    const dataSource = new DataSource({
      type: 'postgres',
      url: databaseUrl,
      applicationName: 'usage-analytics migrations',
      migrations: pending.map((file) => migrationClass(file, engine)),
      migrationsTableName: 'schema_migrations',
      migrationsTransactionMode: 'each',
      installExtensions: false,
    });
    await dataSource.initialize();
    try {
      await runMigrations(dataSource, log);
    } finally {
      await dataSource.destroy();
    }
    return engine;
  });
}

async function runMigrations(dataSource: DataSource, log: Log): Promise<void> {
  for (const startedAt = performance.now(); ; await sleep(PAUSE_MS)) {
    try {
      for (const { name } of await dataSource.runMigrations())
        log('Applied a migration', { migration: name });
      return;
    } catch (error) {
      if (!isLockTimeout(error) || performance.now() - startedAt > PATIENCE_MS) throw error;
      log('A migration waits for a table that is in use', { reason: (error as Error).message });
    }
  }
}

/** What the database has and lacks of this release, without changing anything; the engine is `null` when empty. */
export async function inspectSchema({
  databaseUrl,
  engine: wanted,
}: MigrateOptions): Promise<{ engine: StorageEngineKind | null; pending: string[] }> {
  return withClient(databaseUrl, async (client) => {
    const facts = await databaseFacts(client);
    if (facts.schemaEngine === null) return { engine: null, pending: [] };
    const engine = chooseEngine(wanted, facts);
    return { engine, pending: (await pendingFiles(client, engine)).map(({ file }) => file) };
  });
}

async function settleEngine(client: Client, { databaseUrl, engine: wanted, log }: MigrateOptions) {
  const facts = await databaseFacts(client);
  const engine = chooseEngine(wanted, facts);
  if (engine === 'postgres') {
    if (facts.schemaEngine === null) log?.('The storage engine is plain PostgreSQL', { ...facts });
    return engine;
  }
  try {
    await withClient(databaseUrl, ensureTimescale);
    return engine;
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    if (wanted !== 'auto' || facts.schemaEngine !== null) throw refusal;
    log?.('TimescaleDB cannot be used, the storage engine is plain PostgreSQL', { reason: refusal.message });
    return 'postgres';
  }
}

async function ensureTimescale(client: Client): Promise<void> {
  await client.query('begin');
  await client.query(createTimescale.text);
  const { rows } = await client.query<{ licence: string | null }>(readLicence.text);
  if (rows[0]?.licence !== 'timescale') {
    throw new SchemaRefusedError(
      'TimescaleDB runs under its Apache licence, which has no continuous aggregates and no compression: set ' +
        'timescaledb.license = timescale on the server, or STORAGE_ENGINE=postgres for an empty database.',
    );
  }
  await client.query('commit');
}

/** What the server says for good when the extension cannot be created: no right to, not preloaded. */
function refusalOf(error: unknown): SchemaRefusedError | undefined {
  if (error instanceof SchemaRefusedError) return error;
  if (sqlState(error) === undefined || isTransient(error)) return undefined;
  const reason = error instanceof Error ? error.message : String(error);
  return new SchemaRefusedError(`The extension timescaledb cannot be created in the database: ${reason}`);
}

async function databaseFacts(client: Client): Promise<DatabaseFacts> {
  const { rows } = await client.query<{
    server_version: number;
    timescale_version: string | null;
    has_schema: boolean;
  }>(readDatabaseFacts.text);
  const [facts] = rows;
  if (!facts) throw new Error('The database did not describe itself.');
  const engines = facts.has_schema
    ? (await client.query<{ engine: StorageEngineKind }>(readSchemaEngine.text)).rows
    : [];
  return {
    serverVersion: facts.server_version,
    timescaleVersion: facts.timescale_version,
    schemaEngine: engines[0]?.engine ?? null,
  };
}

/** The files not applied yet. A file that was applied and has another text by now is refused. */
async function pendingFiles(client: Client, engine: StorageEngineKind): Promise<MigrationFile[]> {
  const { rows } = await client.query<{ file: string; sha256: string }>(readChecksums.text);
  const applied = new Map(rows.map(({ file, sha256 }) => [file, sha256]));
  const files = migrationFiles(engine);
  const changed = files.filter(({ file, sha256 }) => applied.has(file) && applied.get(file) !== sha256);
  if (changed.length > 0) {
    throw new SchemaRefusedError(
      `${changed.map(({ file }) => `migrations/${file}`).join(', ')} changed after being applied to this database: ` +
        'restore the released text and put the change into a new file.',
    );
  }
  return files.filter(({ file }) => !applied.has(file));
}

function migrationClass({ file, text, sha256 }: MigrationFile, engine: StorageEngineKind) {
  return class implements MigrationInterface {
    readonly name = migrationName(file);

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await runner.query(text);
      await runner.query(recordChecksum.text, [file, sha256]);
      await runner.query(recordEngine.text, [engine]);
    }

    down(): Promise<void> {
      throw new Error('Migrations only go forward: restore a backup, or write a new migration.');
    }
  };
}

/** A lock of a transaction, so that it also holds behind a proxy that lends connections by transaction. */
async function withLockedSchema<Result>(
  databaseUrl: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  return withClient(databaseUrl, async (lock) => {
    await lock.query('begin');
    await lock.query('set local idle_in_transaction_session_timeout = 0');
    await lock.query(lockSchema.text);
    const result = await withClient(databaseUrl, work);
    await lock.query('commit');
    return result;
  });
}

async function withClient<Result>(
  databaseUrl: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'usage-analytics migrations',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  // Whoever waits for a statement gets the same error from it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
