import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { createDatabase, dropDatabase, executeOnce } from '../../src/cli/servers/create-database';
import { migrate } from '../../src/platform/database/migrations';
import { SESSION_OPTIONS } from '../../src/platform/database/pools';
import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { ENGINES, serverOf } from './engines';
import { testServers } from './test-servers';

export interface TestDatabase {
  readonly engine: StorageEngineKind;
  readonly name: string;
  /** What DATABASE_URL should be. */
  readonly url: string;
  /** For arranging and asserting; sessions are in UTC, bigint and numeric are strings. */
  readonly pool: Pool;
  /** By the database's own clock. */
  now(): Promise<Date>;
  /** Cuts every connection that is still open and removes the database. */
  drop(): Promise<void>;
}

/**
 * A migrated, empty database of its own, copied from the run's template: some 50 ms, with TimescaleDB, too.
 * Drop it in `afterAll`.
 */
export async function createTestDatabase(engine: StorageEngineKind): Promise<TestDatabase> {
  const server = requiredServer(engine);
  const name = `test_${engine}_${randomBytes(6).toString('hex')}`;
  const url = await createDatabase(server, name, templateOf(engine));
  const pool = new Pool({ connectionString: url, max: 4, options: SESSION_OPTIONS });
  pool.on('error', () => undefined);
  // The pool does not listen to a connection while it is lent out; whoever has it gets the error from its statement.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const now = async (): Promise<Date> => {
    const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
    return rows[0]?.now as Date;
  };
  const drop = async (): Promise<void> => {
    await pool.end();
    await dropDatabase(server, name);
  };
  return { engine, name, url, pool, now, drop };
}

/** Migrates one template per engine of this run, in parallel; answers how to remove them. */
export async function prepareTemplates(): Promise<() => Promise<void>> {
  const engines = ENGINES.filter((engine) => serverOf(engine) !== undefined);
  await Promise.all(engines.map(prepareTemplate));
  return async () => {
    for (const engine of engines) await dropDatabase(requiredServer(engine), templateOf(engine));
  };
}

async function prepareTemplate(engine: StorageEngineKind): Promise<void> {
  const server = requiredServer(engine);
  const template = templateOf(engine);
  const url = await createDatabase(server, template);
  await migrate({ databaseUrl: url, engine });
  if (engine === 'timescale') {
    await executeOnce(url, 'select _timescaledb_functions.stop_background_workers()');
  }
  // Only a database that nobody is connected to can be copied.
  await executeOnce(server, `alter database ${template} allow_connections false`);
  await executeOnce(
    server,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${template}'`,
  );
}

function templateOf(engine: StorageEngineKind): string {
  return `template_${engine}_${testServers().run}`;
}

function requiredServer(engine: StorageEngineKind): string {
  const server = serverOf(engine);
  if (server === undefined) throw new Error('No server of this run has TimescaleDB: use describeEachEngine.');
  return server;
}
