import { randomBytes } from 'node:crypto';
import { Client, Pool } from 'pg';
import { migrate } from '../../src/platform/database/migrations';
import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { ENGINES, serverOf } from './engines';
import { testServers } from './test-servers';

export interface TestDatabase {
  readonly engine: StorageEngineKind;
  readonly name: string;
  readonly url: string;
  /** For arranging and asserting; sessions are in UTC, bigint and numeric are strings. */
  readonly pool: Pool;
  /** Cuts every connection that is still open and removes the database. */
  drop(): Promise<void>;
}

/**
 * A migrated, empty database of its own, a copy of the run's template: some 50 ms, TimescaleDB included.
 * Drop it in `afterAll`.
 */
export async function createTestDatabase(engine: StorageEngineKind): Promise<TestDatabase> {
  const name = `test_${engine}_${randomBytes(6).toString('hex')}`;
  await administer(engine, `create database ${name} template ${templateOf(engine)}`);
  const url = databaseUrl(engine, name);
  const pool = new Pool({ connectionString: url, max: 4, options: '-c TimeZone=UTC' });
  pool.on('error', () => undefined);
  const drop = async (): Promise<void> => {
    await pool.end();
    await administer(engine, `drop database ${name} with (force)`);
  };
  return { engine, name, url, pool, drop };
}

/** Migrates one template per engine of this run, in parallel; answers how to remove them. */
export async function prepareTemplates(): Promise<() => Promise<void>> {
  const engines = ENGINES.filter((engine) => serverOf(engine) !== undefined);
  await Promise.all(engines.map(prepareTemplate));
  return async () => {
    for (const engine of engines)
      await administer(engine, `drop database ${templateOf(engine)} with (force)`);
  };
}

async function prepareTemplate(engine: StorageEngineKind): Promise<void> {
  const template = templateOf(engine);
  await administer(engine, `create database ${template}`);
  const url = databaseUrl(engine, template);
  await migrate({ databaseUrl: url, engine });
  if (engine === 'timescale') await execute(url, 'select _timescaledb_functions.stop_background_workers()');
  // Only a database that nobody is connected to can be copied.
  await administer(engine, `alter database ${template} allow_connections false`);
  await administer(
    engine,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${template}'`,
  );
}

function templateOf(engine: StorageEngineKind): string {
  return `template_${engine}_${testServers().run}`;
}

function databaseUrl(engine: StorageEngineKind, name: string): string {
  const url = new URL(maintenanceUrl(engine));
  url.pathname = `/${name}`;
  return url.href;
}

function maintenanceUrl(engine: StorageEngineKind): string {
  const url = serverOf(engine);
  if (url === undefined) throw new Error('No server of this run has TimescaleDB: use describeEachEngine.');
  return url;
}

function administer(engine: StorageEngineKind, statement: string): Promise<void> {
  return execute(maintenanceUrl(engine), statement);
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
