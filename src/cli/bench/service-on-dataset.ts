import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Pool } from 'pg';
import { PostgresEngine } from '../../platform/database/postgres-engine';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { createDatabase } from '../servers/create-database';
import { startServers } from '../servers/start-servers';
import { ServiceProcess } from '../service-process';
import {
  loadReadDataset,
  loadSince,
  materializeRollups,
  type ReadShape,
  rollupsMaterialized,
} from './read-dataset';

export const DATA_DIR = join('.data', 'bench');
const LOG_FILE = join(DATA_DIR, 'read.log');
const DAY_MS = 86_400_000;

export const POSTGRES_SETTINGS = {
  shared_buffers: '2GB',
  effective_cache_size: '8GB',
  work_mem: '64MB',
  maintenance_work_mem: '512MB',
  max_wal_size: '8GB',
  random_page_cost: '1.1',
  jit: 'off',
  logging_collector: 'on',
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '100ms',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_timing': 'off',
};

export interface Dataset {
  readonly engine: StorageEngineKind;
  readonly shape: ReadShape;
  /** URL of a database that holds the data already, or of an empty one to fill. */
  readonly database: string | undefined;
  readonly log: (line: string) => void;
  /** Of the service, beside those that a benchmark needs. */
  readonly settings?: NodeJS.ProcessEnv;
}

/** The service on a database with millions of events, its rollups materialised. */
export class ServiceOnDataset {
  private constructor(
    readonly databaseUrl: string,
    readonly service: ServiceProcess,
    /** Ends the service and the servers that were started for it. */
    readonly stop: () => Promise<void>,
  ) {}

  /** Starts a server, unless there is a database already, and fills what is empty; minutes for millions of events. */
  static async start({
    engine,
    shape,
    database,
    log,
    settings: asked = {},
  }: Dataset): Promise<ServiceOnDataset> {
    const servers = database
      ? undefined
      : await startServers({
          postgres: true,
          timescale: engine === 'timescale' ? 'required' : false,
          postgresSettings: POSTGRES_SETTINGS,
          log,
        });
    let service: ServiceProcess | undefined;
    const stop = async (): Promise<void> => {
      await service?.stop();
      await servers?.stop();
    };
    try {
      const serverUrl = engine === 'timescale' ? servers?.timescaleUrl : servers?.databaseUrl;
      const databaseUrl = database ?? (await createDatabase(serverUrl ?? '', 'bench_read'));
      mkdirSync(DATA_DIR, { recursive: true });
      const settings = {
        NODE_ENV: 'development',
        DATA_DIR,
        DATABASE_URL: databaseUrl,
        STORAGE_ENGINE: engine,
        LOG_LEVEL: 'warn',
        ...asked,
      };
      if (!(await isFilled(databaseUrl))) {
        // The schema first, by the service itself.
        const migrating = await ServiceProcess.start({ ...settings, SERVICE_ROLES: 'api' }, LOG_FILE);
        await migrating.ready();
        await migrating.stop();
        await makeRoom(databaseUrl, engine, shape.oldestDays);
        await loadReadDataset(databaseUrl, shape);
        await materializeRollups(databaseUrl, engine);
      }
      await loadSince(databaseUrl, shape);
      service = await ServiceProcess.start(settings, LOG_FILE);
      await service.ready();
      log('Waiting for the rollups');
      await rollupsMaterialized(databaseUrl);
      return new ServiceOnDataset(databaseUrl, service, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }
}

/** "PostgreSQL 15.20, TimescaleDB 2.13.1", of the server that is measured. */
export async function describeDatabase(databaseUrl: string): Promise<string> {
  const [row] = await query<{ postgres: string; timescale: string | null }>(
    databaseUrl,
    `select split_part(current_setting('server_version'), ' ', 1) as postgres,
       (select extversion from pg_extension where extname = 'timescaledb') as timescale`,
  );
  return `PostgreSQL ${row?.postgres}${row?.timescale ? `, TimescaleDB ${row.timescale}` : ''}`;
}

async function isFilled(databaseUrl: string): Promise<boolean> {
  const [table] = await query<{ there: boolean }>(databaseUrl, "select to_regclass('usage_events') is not null as there");
  if (!table?.there) return false;
  const [events] = await query<{ there: boolean }>(databaseUrl, 'select exists (select from usage_events) as there');
  return events?.there === true;
} // prettier-ignore

async function query<Row extends object>(databaseUrl: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Partitions back to the oldest event, which ingestion would never make at once. */
async function makeRoom(databaseUrl: string, engine: StorageEngineKind, oldestDays: number): Promise<void> {
  if (engine === 'timescale') return;
  const pool = new Pool({ connectionString: databaseUrl });
  try {
    // The oldest of them is not a whole one.
    await new PostgresEngine(pool, (oldestDays + 2) * DAY_MS).prepare(new Date());
  } finally {
    await pool.end();
  }
}
