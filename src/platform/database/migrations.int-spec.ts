import { randomBytes } from 'node:crypto';
import { Client, Pool } from 'pg';
import { describeEachEngine, serverOf } from '../../../test/support/engines';
import { eventually } from '../../../test/support/eventually';
import { SchemaRefusedError } from './engine-choice';
import { migrationFiles } from './migration-files';
import { inspectSchema, migrate } from './migrations';
import { sql } from './sql';
import type { StorageEngineKind } from './storage-engine';
import { TimescaleEngine } from './timescale-engine';

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

  it('answers by quarters of an hour from what earlier releases have left, and the first advance fills them', async () => {
    await leftBehind(url, engine, '0017');
    await migrate({ databaseUrl: url, engine });
    const sums = (relation: string, bucket: string, requests: string) =>
      query(
        url,
        `select org_id, ${bucket} as bucket, sum(${requests})::integer as requests from ${relation} group by 1, 2 order by 1, 2`,
      );
    const byModel = (relation: string) =>
      query(
        url,
        `select model_id, latency_bin, sum(requests)::integer as requests from ${relation} group by 1, 2 order by 1, 2`,
      );
    const counted = await sums('usage_events', `date_bin('15 minutes', occurred_at, '2000-01-01+00')`, '1');
    expect(counted).toHaveLength(3 * 13);
    const expectAnswers = async (): Promise<void> => {
      expect(await sums('org_usage_15min', 'bucket', 'requests')).toEqual(counted);
      for (const width of ['hour', 'day']) {
        const byWidth = await sums('usage_events', `date_trunc('${width}', occurred_at)`, '1');
        const relation = width === 'hour' ? 'org_latency_hourly' : 'org_latency_daily';
        expect(await sums(relation, 'bucket', 'requests')).toEqual(byWidth);
      }
      // Plain PostgreSQL gets no more than those views.
      if (engine === 'postgres') return;
      const byHour = await sums('usage_events', `date_trunc('hour', occurred_at)`, '1');
      expect(await sums('latency_hourly', 'bucket', 'requests')).toEqual(byHour);
      expect(await byModel('model_latency_hourly')).toEqual(await byModel('latency_hourly'));
    };
    await expectAnswers();
    if (engine === 'postgres') return;

    const pool = new Pool({ connectionString: url });
    const through = new Date(MATERIALIZED_THROUGH);
    // What lies below is not refreshed any more, but filled this once.
    await query(url, `update rollup_state set raw_from = '2026-10-20 12:00:00+00'`);
    await new TimescaleEngine(pool).advance({ start: through, end: through });
    await pool.end();
    await expectAnswers();
    const kept = (relation: string) =>
      query(
        url,
        `select min(bucket) as oldest, max(bucket) as newest, sum(requests)::integer as requests from ${relation}`,
      );
    const newest = new Date('2026-10-20T12:30:00Z');
    expect(await kept('org_usage_15min_materialized')).toEqual([
      { oldest: new Date('2026-10-20T10:15:00Z'), newest, requests: 870 },
    ]);
    expect(await kept('org_latency_hourly_materialized')).toEqual([
      { oldest: new Date('2026-10-20T10:00:00Z'), newest: new Date('2026-10-20T11:00:00Z'), requests: 600 },
    ]);
    for (const relation of ['latency_15min_materialized', 'model_latency_15min_materialized'])
      expect(await kept(relation)).toEqual([
        { oldest: new Date('2026-10-20T12:00:00Z'), newest, requests: 270 },
      ]);
    for (const relation of ['usage_minute_materialized', 'model_latency_minute_materialized'])
      expect(await kept(relation)).toEqual([
        {
          oldest: new Date('2026-10-20T12:00:00Z'),
          newest: new Date('2026-10-20T12:44:00Z'),
          requests: 270,
        },
      ]);
  });

  it('fills latencies over all models for days whose hours are gone, broken off or not', async () => {
    // Plain PostgreSQL keeps none.
    if (engine === 'postgres') return;
    await leftBehind(url, engine, '0020');
    await query(
      url,
      `insert into usage_events (occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, latency_bin,
         status, cost, model_id, client_id)
       select '2026-09-30 05:00:00+00', org_id, gen_random_uuid(), 1, 1, 1, n, 'success', 1, 'model-' || n, ''
       from (select org_id from usage_events limit 1) as one, generate_series(0, 3) as n`,
    );
    for (const rollup of ['latency_hourly', 'latency_daily', 'model_latency_hourly', 'model_latency_daily'])
      await query(
        url,
        `call refresh_continuous_aggregate('${rollup}_materialized', null, '${MATERIALIZED_THROUGH}')`,
      );
    await query(url, `select drop_chunks('latency_hourly_materialized', timestamptz '2026-10-10')`);
    await migrate({ databaseUrl: url, engine });
    const pool = new Pool({ connectionString: url, options: '-c lock_timeout=500ms' });
    const through = new Date(MATERIALIZED_THROUGH);
    const advance = () => new TimescaleEngine(pool).advance({ start: through, end: through });
    // Broken off between two rollups: no mark moves, and the next advance fills what is left.
    const user = await pool.connect();
    await user.query('begin');
    await user.query(
      `do $$ begin execute (select format('lock table %I.%I in access exclusive mode', materialization_hypertable_schema,
         materialization_hypertable_name) from timescaledb_information.continuous_aggregates
         where view_name = 'org_latency_daily_materialized'); end $$`,
    );
    await expect(advance()).rejects.toThrow('lock timeout');
    await user.query('rollback');
    user.release();
    expect(await query(url, 'select latency_sums_through::text as mark from rollup_state')).toEqual([
      { mark: '-infinity' },
    ]);
    expect(
      await query(
        url,
        `select sum(requests)::integer as requests from org_latency_daily where bucket < '2026-10-01'`,
      ),
    ).toEqual([{ requests: 4 }]);
    await advance();
    await pool.end();
    for (const relation of ['org_latency_daily', 'platform_latency_daily'].flatMap((name) => [
      name,
      `${name}_materialized`,
    ]))
      expect(
        await query(
          url,
          `select sum(requests)::integer as requests from ${relation} where bucket < '2026-10-01'`,
        ),
      ).toEqual([{ requests: 4 }]);
  });

  it('lets others pass while a table is in use that it changes', async () => {
    await schemaBefore(url, engine, '0007');
    const user = new Client({ connectionString: url });
    await user.connect();
    await user.query('begin; select from quarantined_events');
    const told: string[] = [];
    const migrated = migrate({ databaseUrl: url, engine, log: (message) => told.push(message) });
    await eventually(
      async () =>
      expect(await query(url, `select from pg_locks where mode = 'AccessExclusiveLock' and not granted`)).toHaveLength(1), // prettier-ignore
    );
    await query(url, `set statement_timeout = '15s'; select from quarantined_events`);
    await user.end();
    await migrated;
    expect(told).toContain('A migration waits for a table that is in use');
  });

  it('says what is pending without changing anything', async () => {
    expect(await inspectSchema({ databaseUrl: url, engine })).toEqual({ engine: null, pending: [] });
    expect(await query(url, `select relname from pg_class where relname = 'storage_engine'`)).toEqual([]);
  });
});

/** The schema as a release had it that knew only the files below `until`. */
async function schemaBefore(url: string, engine: StorageEngineKind, until: string): Promise<void> {
  if (engine === 'timescale') await query(url, 'create extension if not exists timescaledb');
  await query(url, sql('platform/create-schema-checksums').text);
  for (const { file, text, sha256 } of migrationFiles(engine)) {
    if (file >= until) break;
    await query(url, `${text}; insert into schema_checksums (file, sha256) values ('${file}', '${sha256}')`);
  }
  await query(url, `insert into storage_engine (engine) values ('${engine}')`);
}

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
  await schemaBefore(url, engine, until);
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
