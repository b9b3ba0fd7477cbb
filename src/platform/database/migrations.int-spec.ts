import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describeEachEngine, serverOf } from '../../../test/support/engines';
import { SchemaRefusedError } from './engine-choice';
import { migrationFiles } from './migration-files';
import { inspectSchema, migrate } from './migrations';
import { sql } from './sql';
import type { StorageEngineKind } from './storage-engine';

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

describeEachEngine('migrations', (engine) => {
  const server = serverOf(engine) as string;
  const other: StorageEngineKind = engine === 'postgres' ? 'timescale' : 'postgres';
  let url: string;
  let name: string;

  beforeEach(async () => {
    name = `migrations_${randomBytes(6).toString('hex')}`;
    await query(server, `create database ${name}`);
    const parsed = new URL(server);
    parsed.pathname = `/${name}`;
    url = parsed.href;
  });
  afterEach(() => query(server, `drop database ${name} with (force)`));

  it('makes the schema once when replicas start together, each waiting for the other', async () => {
    const engines = await Promise.all([1, 2, 3].map(() => migrate({ databaseUrl: url, engine })));
    expect(engines).toEqual([engine, engine, engine]);
    const recorded = await query<{ file: string; sha256: string }>(
      url,
      'select file, sha256 from schema_checksums order by file',
    );
    expect(recorded).toEqual(migrationFiles(engine).map(({ file, sha256 }) => ({ file, sha256 })));
    expect(await inspectSchema({ databaseUrl: url, engine })).toEqual({ engine, pending: [] });
  });

  it('keeps the engine of the schema when asked to choose, and refuses the other engine', async () => {
    await migrate({ databaseUrl: url, engine });
    await expect(migrate({ databaseUrl: url, engine: 'auto' })).resolves.toBe(engine);
    const refused = migrate({ databaseUrl: url, engine: other });
    await expect(refused).rejects.toThrow(SchemaRefusedError);
    await expect(refused).rejects.toThrow(`schema of the engine ${engine}`);
  });

  it('refuses a released file whose text has changed since it was applied', async () => {
    await migrate({ databaseUrl: url, engine });
    await query(url, `update schema_checksums set sha256 = 'another' where file = '0002_ingestion.sql'`);
    await expect(migrate({ databaseUrl: url, engine })).rejects.toThrow(
      'migrations/0002_ingestion.sql changed after being applied',
    );
  });

  it('fills the quarters of an hour that it adds with what earlier releases have left', async () => {
    await leftBehind(url, engine, '0017');
    await migrate({ databaseUrl: url, engine });
    // As the next batch would find it: nothing has been refreshed since.
    const sums = (relation: string, bucket: string, requests: string) =>
      query(
        url,
        `select org_id, ${bucket} as bucket, sum(${requests})::integer as requests from ${relation} group by 1, 2 order by 1, 2`,
      );
    const counted = await sums('usage_events', `date_bin('15 minutes', occurred_at, '2000-01-01+00')`, '1');
    expect(counted).toHaveLength(3 * 13);
    expect(await sums('org_usage_15min', 'bucket', 'requests')).toEqual(counted);
    if (engine === 'postgres') return;
    const kept = await query(url, `select max(bucket) as newest from org_usage_15min_materialized`);
    expect(kept).toEqual([{ newest: new Date('2026-10-20T12:30:00Z') }]);
    const byHour = await sums('usage_events', `date_trunc('hour', occurred_at)`, '1');
    expect(await sums('latency_hourly', 'bucket', 'requests')).toEqual(byHour);
    const byModel = `select model_id, latency_bin, sum(requests)::integer as requests from`;
    const rest = 'group by 1, 2 order by 1, 2';
    expect(await query(url, `${byModel} model_latency_hourly ${rest}`)).toEqual(
      await query(url, `${byModel} latency_hourly ${rest}`),
    );
    expect(
      await query(
        url,
        `select view_name, sum(requests)::integer as requests
         from (
           select 'latency' as view_name, requests from latency_15min_materialized
           union all
           select 'model_latency', requests from model_latency_15min_materialized
         ) as kept group by 1 order by 1`,
      ),
    ).toEqual([
      { view_name: 'latency', requests: 270 },
      { view_name: 'model_latency', requests: 270 },
    ]);
  });

  it('says what is pending without changing anything', async () => {
    expect(await inspectSchema({ databaseUrl: url, engine })).toEqual({ engine: null, pending: [] });
    expect(await query(url, `select relname from pg_class where relname = 'storage_engine'`)).toEqual([]);
  });
});

/** What an earlier release has left: its schema, events of three hours, and rollups up to 35 minutes before their end. */
const EVENTS_UNTIL = '2026-10-20 13:20:00+00';
const MATERIALIZED_THROUGH = '2026-10-20 12:45:00+00';
const INSERT_EVENTS = `
  insert into usage_events (occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, latency_bin, status,
    cost, model_id, client_id)
  select occurred_at, ('00000000-0000-4000-8000-00000000000' || n % 3)::uuid, gen_random_uuid(), n, 1, 1, n % 5,
    'success', 0.001, 'model-' || n % 2, 'client-' || n % 4
  from generate_series(timestamptz '${EVENTS_UNTIL}' - interval '3 hours', '${EVENTS_UNTIL}', interval '10 seconds')
    with ordinality as at (occurred_at, n)`;

async function leftBehind(url: string, engine: StorageEngineKind, until: string): Promise<void> {
  if (engine === 'timescale') await query(url, 'create extension if not exists timescaledb');
  await query(url, sql('platform/create-schema-checksums').text);
  for (const { file, text, sha256 } of migrationFiles(engine)) {
    if (file >= until) break;
    await query(url, `${text}; insert into schema_checksums (file, sha256) values ('${file}', '${sha256}')`);
  }
  await query(url, `insert into storage_engine (engine) values ('${engine}')`);
  const days = `'day', timestamptz '2026-10-19', timestamptz '2026-10-22'`;
  if (engine === 'postgres')
    for (const parent of ['usage_events', 'usage_15min', 'latency_hourly'])
      await query(url, `select ensure_partitions('${parent}', ${days})`);
  await query(url, INSERT_EVENTS);
  const state = `watermark = '${MATERIALIZED_THROUGH}', materialized_through = '${MATERIALIZED_THROUGH}'`;
  await query(url, `update rollup_state set ${state}`);
  if (engine === 'postgres') return;
  for (const rollup of [
    'usage_15min',
    'usage_hourly',
    'org_usage_hourly',
    'latency_hourly',
    'model_latency_hourly',
  ])
    await query(
      url,
      `call refresh_continuous_aggregate('${rollup}_materialized', null, '${MATERIALIZED_THROUGH}')`,
    );
}

describeEachEngine('a server that is asked to choose the engine', (engine) => {
  it('gets TimescaleDB exactly where it can be created', async () => {
    const server = serverOf(engine) as string;
    const name = `migrations_${randomBytes(6).toString('hex')}`;
    const url = new URL(server);
    url.pathname = `/${name}`;
    await query(server, `create database ${name}`);
    try {
      const chosen = await migrate({ databaseUrl: url.href, engine: 'auto' });
      const extensions = await query(
        url.href,
        `select extname from pg_extension where extname = 'timescaledb'`,
      );
      expect(extensions).toHaveLength(chosen === 'timescale' ? 1 : 0);
      if (engine === 'timescale') expect(chosen).toBe('timescale');
    } finally {
      await query(server, `drop database ${name} with (force)`);
    }
  });
});
