import type { Pool } from 'pg';
import { describeEachEngine } from '../../../test/support/engines';
import { relationBehind } from '../../../test/support/relation-behind';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_HOUR_MS } from './bucket-windows';
import { PostgresEngine } from './postgres-engine';
import { sql } from './sql';
import type { RetentionHorizons, StorageEngine } from './storage-engine';
import { TimescaleEngine } from './timescale-engine';
import { inTransaction } from './transaction';

const NOW = Date.UTC(2026, 9, 20, 13, 37);
const RAW_RETENTION_MS = 30 * DAY_MS;
const RELATIONS = [
  'usage_15min',
  'usage_hourly',
  'usage_daily',
  'org_usage_15min',
  'org_usage_hourly',
  'org_usage_daily',
  'latency_hourly',
  'latency_daily',
  'org_latency_hourly',
  'org_latency_daily',
  'model_latency_hourly',
  'model_latency_daily',
  'platform_latency_hourly',
  'platform_latency_daily',
] as const;
const markMaterialized = sql('aggregation/mark-materialized');
const announceWatermark = sql('aggregation/announce-watermark');
const moveRawFrom = sql('aggregation/move-raw-from');

function engineOn({ engine, pool }: TestDatabase): StorageEngine {
  return engine === 'timescale' ? new TimescaleEngine(pool) : new PostgresEngine(pool, RAW_RETENTION_MS);
}

const at = (milliseconds: number): Date => new Date(milliseconds);

/** Events of three organisations, evenly over [from, to), `perHour` of each organisation. */
async function insertEvents(pool: Pool, from: number, to: number, perHour: number): Promise<void> {
  await pool.query(
    `insert into usage_events (occurred_at, received_at, org_id, event_id, latency_ms, input_tokens, output_tokens,
       latency_bin, status, cost, model_id, client_id)
     select occurred_at, occurred_at, ('00000000-0000-0000-0000-00000000000' || org)::uuid, gen_random_uuid(),
       100 + org, 1000 + org, 10 + org, (extract(epoch from occurred_at)::bigint / 7 % 40)::smallint,
       (array['success', 'error', 'timeout', 'throttled'])[1 + extract(epoch from occurred_at)::bigint / 60 % 4]::usage_status,
       0.0000000001 * org, 'model-' || (extract(epoch from occurred_at)::bigint / 60 % 3), ''
     from generate_series(1, 3) as org,
       generate_series($1::timestamptz, $2::timestamptz - interval '1 microsecond', $3::integer * interval '1 second')
         as occurred_at`,
    [at(from), at(to), Math.floor(3600 / perHour)],
  );
}

/** Every row of every rollup, as text. */
async function rollups(pool: Pool): Promise<Record<string, string[]>> {
  const answer: Record<string, string[]> = {};
  for (const relation of RELATIONS) {
    const { rows } = await pool.query<{ row: string }>(
      `select to_jsonb(answered)::text as row from ${relation} as answered order by 1`,
    );
    answer[relation] = rows.map(({ row }) => row);
  }
  return answer;
}

async function totals(pool: Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ relation: string; requests: string }>(
    `select 'usage_events' as relation, count(*) as requests from usage_events ` +
      RELATIONS.map((name) => `union all select '${name}', coalesce(sum(requests), 0) from ${name}`).join(
        ' ',
      ),
  );
  return Object.fromEntries(rows.map(({ relation, requests }) => [relation, requests]));
}

async function state(pool: Pool): Promise<{ through: Date | null; rawFrom: Date | null }> {
  const { rows } = await pool.query<{ through: Date | null; raw_from: Date | null }>(
    `select nullif(materialized_through, '-infinity') as through, nullif(raw_from, '-infinity') as raw_from
     from rollup_state`,
  );
  return { through: rows[0]?.through ?? null, rawFrom: rows[0]?.raw_from ?? null };
}

async function announce(pool: Pool, engine: StorageEngine, watermark: number): Promise<void> {
  await engine.noticeChangesBelow(at(watermark));
  await pool.query({ ...announceWatermark, values: [at(watermark)] });
}

function horizons(now: number, events: Date | null): RetentionHorizons {
  return {
    events,
    openHour: at(Math.floor(now / HOUR_MS) * HOUR_MS),
    quarterHours: at(now - 90 * DAY_MS),
    hours: at(now - 396 * DAY_MS),
    days: at(now - 396 * DAY_MS),
    keys: at(now - 2 * DAY_MS),
    batches: at(now - RAW_RETENTION_MS),
    compression: at(now - 7 * DAY_MS),
  };
}

describeEachEngine('rollups', (kind) => {
  let database: TestDatabase;
  let engine: StorageEngine;
  let pool: Pool;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    pool = database.pool;
    engine = engineOn(database);
    for (const days of [60, 32, 0]) await engine.prepare(at(NOW - days * DAY_MS));
  });
  afterEach(() => database.drop());

  it('hold every event at every moment: before, between and after refreshes', async () => {
    const start = NOW - 3 * DAY_MS;
    await insertEvents(pool, start, NOW, 60);
    const counted = (await totals(pool))['usage_events'] as string;
    const complete = Object.fromEntries(['usage_events', ...RELATIONS].map((name) => [name, counted]));
    const before = await rollups(pool);
    expect(await totals(pool)).toEqual(complete);

    const oldest = (await engine.oldestEvent()) as Date;
    expect(oldest.getTime()).toBeLessThanOrEqual(start);
    const watermark = Math.floor((NOW - 5 * 60_000) / engine.watermarkStep) * engine.watermarkStep;
    await announce(pool, engine, watermark);
    for (const through of [start + DAY_MS / 2, start + 2 * DAY_MS, watermark]) {
      await engine.advance({ start: (await state(pool)).through ?? oldest, end: at(through) });
      expect((await state(pool)).through).toEqual(at(through));
      expect(await rollups(pool)).toEqual(before);
    }
    // One for each minute, those above the last whole quarter of an hour among them.
    await insertEvents(pool, NOW - HOUR_MS, NOW, 60);
    await engine.refresh([{ start: at(NOW - 2 * HOUR_MS), end: at(NOW) }]);
    const { usage_events: stored, ...rest } = await totals(pool);
    expect(rest).toEqual(Object.fromEntries(RELATIONS.map((name) => [name, stored])));
  });

  it('contain late events once their hours are refreshed, in every coarser bucket too', async () => {
    await insertEvents(pool, NOW - 3 * DAY_MS, NOW, 12);
    const watermark = Math.floor(NOW / HOUR_MS) * HOUR_MS;
    await announce(pool, engine, watermark);
    await engine.advance({ start: (await engine.oldestEvent()) as Date, end: at(watermark) });
    const hour = watermark - 2 * DAY_MS - 5 * HOUR_MS;
    await insertEvents(pool, hour, hour + HOUR_MS, 60);
    await engine.refresh([{ start: at(hour), end: at(hour + HOUR_MS) }]);
    const { usage_events: stored, ...rest } = await totals(pool);
    expect(rest).toEqual(Object.fromEntries(RELATIONS.map((name) => [name, stored])));
  });

  it('never shrink: what is refreshed after its events were dropped stays as it was', async () => {
    await insertEvents(pool, NOW - 40 * DAY_MS, NOW, 6);
    const watermark = Math.floor(NOW / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
    await announce(pool, engine, watermark);
    await engine.advance({ start: (await engine.oldestEvent()) as Date, end: at(watermark) });
    const before = await rollups(pool);

    const rawFrom = Math.floor((NOW - RAW_RETENTION_MS) / DAY_MS) * DAY_MS;
    expect((await pool.query({ ...moveRawFrom, values: [at(rawFrom)] })).rowCount).toBe(1);
    await engine.expire(horizons(NOW, at(rawFrom)));
    const { rows } = await pool.query<{ oldest: Date }>(
      'select min(occurred_at) as oldest from usage_events',
    );
    expect(rows[0]?.oldest.getTime()).toBeGreaterThanOrEqual(rawFrom);
    if (kind === 'timescale') {
      const compressed = await pool.query(
        `select max(range_end) as through from timescaledb_information.chunks where is_compressed`,
      );
      expect(compressed.rows[0]).toEqual({ through: at(Math.floor((NOW - 7 * DAY_MS) / DAY_MS) * DAY_MS) });
    }
    // One late event in a day that is gone, as an operator may try to admit it, and everything possible refreshed.
    await engine.prepare(at(NOW - 10 * DAY_MS));
    await insertEvents(pool, NOW - 35 * DAY_MS, NOW - 35 * DAY_MS + 1, 1);
    await engine.refresh([{ start: at(NOW - 50 * DAY_MS), end: at(NOW + DAY_MS) }]);
    const after = await rollups(pool);
    // On plain PostgreSQL a trigger keeps these with the events: the one that was admitted is in them.
    const kept =
      kind === 'timescale' ? [] : ['usage_15min', 'org_usage_15min', 'latency_hourly', 'org_latency_hourly'];
    for (const relation of RELATIONS.filter((name) => !kept.includes(name)))
      expect({ [relation]: after[relation] }).toEqual({ [relation]: before[relation] });
  });

  it('are dropped only when all of a partition is past its retention, and raw only below its announced begin', async () => {
    await insertEvents(pool, NOW - 40 * DAY_MS, NOW, 2);
    const watermark = Math.floor(NOW / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
    await announce(pool, engine, watermark);
    const [oldest, earlier] = [(await engine.oldestEvent()) as Date, at(watermark - 3 * HOUR_MS)];
    await engine.advance({ start: oldest, end: earlier });
    await engine.advance({ start: earlier, end: at(watermark) });
    const before = await rollups(pool);
    const expired = {
      ...horizons(NOW, null),
      quarterHours: at(NOW - 20 * DAY_MS),
      hours: at(NOW - 5 * DAY_MS),
    };
    await engine.expire(expired);
    expect((await totals(pool))['usage_events']).toBe(String(40 * 24 * 2 * 3));
    const after = await rollups(pool);
    const youngerThan = (rows: readonly string[] | undefined, horizon: number): string[] =>
      (rows ?? []).filter((row) => Date.parse((JSON.parse(row) as { bucket: string }).bucket) >= horizon);
    expect(after['usage_daily']).toEqual(before['usage_daily']);
    for (const relation of ['usage_15min', 'org_usage_15min']) {
      expect(youngerThan(after[relation], NOW - 20 * DAY_MS)).toEqual(
        youngerThan(before[relation], NOW - 20 * DAY_MS),
      );
    }
    if (kind === 'timescale') {
      // Quarters of latencies serve the hour that is not over, and so do minutes, in chunks of a day and an hour.
      for (const [relation, width] of [
        ['latency_15min', DAY_MS],
        ['usage_minute', HOUR_MS],
        ['org_usage_minute', HOUR_MS],
        ['org_latency_minute', HOUR_MS],
        ['model_latency_minute', HOUR_MS],
      ] as const) {
        const { rows } = await pool.query<{ oldest: Date }>(
          `select min(bucket) as oldest from ${relation}_materialized`,
        );
        const oldest = rows[0]?.oldest.getTime() ?? 0;
        expect([relation, Math.floor(oldest / width)]).toEqual([relation, Math.floor(watermark / width)]);
      }
    }
    for (const relation of ['usage_hourly', 'latency_hourly']) {
      expect(youngerThan(after[relation], NOW - 5 * DAY_MS)).toEqual(
        youngerThan(before[relation], NOW - 5 * DAY_MS),
      );
      expect(after[relation]?.length).toBeLessThan(before[relation]?.length ?? 0);
    }
  });

  it('are right while and after a release before this one refreshes them', async () => {
    // Only TimescaleDB keeps what that release does not know.
    if (kind === 'postgres') return;
    const known = RELATIONS.filter((relation) => !/^(org|platform)_latency|^org_usage_15min$/.test(relation));
    const hour = Math.floor(NOW / HOUR_MS) * HOUR_MS;
    const refreshedThrough = hour + 2 * QUARTER_HOUR_MS;
    const refreshAsBefore = async (): Promise<void> => {
      for (const relation of known)
        await pool.query(
          `call refresh_continuous_aggregate('${relation}_materialized', null, $1::timestamptz)`,
          [at(refreshedThrough)],
        );
    };
    const expectAll = async (relations: readonly string[]): Promise<void> => {
      const { usage_events: stored, ...rest } = await totals(pool);
      for (const relation of relations) expect([relation, rest[relation]]).toEqual([relation, stored]);
    };
    await insertEvents(pool, NOW - 2 * DAY_MS, NOW, 60);
    await announce(pool, engine, refreshedThrough);
    await engine.advance({ start: at(NOW - 2 * DAY_MS), end: at(hour - QUARTER_HOUR_MS) });

    await refreshAsBefore();
    await pool.query({ ...markMaterialized, values: [at(refreshedThrough)] });
    await expectAll(RELATIONS);
    // A late event, refreshed by that release, reaches what it does not know with the first advance of this one.
    for (const late of [hour - 3 * HOUR_MS, hour - DAY_MS]) await insertEvents(pool, late, late + 1, 1);
    await refreshAsBefore();
    await expectAll(known);
    await engine.advance({ start: at(refreshedThrough), end: at(refreshedThrough) });
    await expectAll(RELATIONS);
  });

  it('get late events of a quarter that closes, also where a process dies before all marks have moved', async () => {
    // Plain PostgreSQL has one mark.
    if (kind === 'postgres') return;
    const hour = Math.floor(NOW / HOUR_MS) * HOUR_MS;
    const quarter = hour + QUARTER_HOUR_MS;
    const expectAll = async (): Promise<void> => {
      const { usage_events: stored, ...rest } = await totals(pool);
      expect(rest).toEqual(Object.fromEntries(RELATIONS.map((name) => [name, stored])));
    };
    await insertEvents(pool, hour - DAY_MS, NOW, 60);
    await announce(pool, engine, quarter);
    await engine.advance({ start: at(hour - DAY_MS), end: at(quarter - MINUTE_MS) });
    const marks = await pool.query<{ minutes: Date; quarters: Date }>(
      'select minutes_through as minutes, quarters_through as quarters from rollup_state',
    );
    // Noted before the quarter closes and refreshed after it.
    await insertEvents(pool, hour + 4 * MINUTE_MS, hour + 5 * MINUTE_MS, 60);
    await engine.advance({ start: at(quarter - MINUTE_MS), end: at(quarter) });
    await pool.query('update rollup_state set minutes_through = $1, quarters_through = $2', [
      marks.rows[0]?.minutes,
      marks.rows[0]?.quarters,
    ]);
    await engine.refresh([{ start: at(hour + 4 * MINUTE_MS), end: at(hour + 5 * MINUTE_MS) }]);
    await expectAll();
    await announce(pool, engine, quarter + MINUTE_MS);
    await engine.advance({ start: at(quarter), end: at(quarter + MINUTE_MS) });
    await expectAll();
  });

  it('keep the rows of an organisation together', async () => {
    const quarter = Math.floor(NOW / HOUR_MS) * HOUR_MS - HOUR_MS;
    await pool.query(
      `insert into usage_events (occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, latency_bin,
         status, cost, model_id, client_id)
       select $1::timestamptz + n % 3600 * interval '1 second',
         ('00000000-0000-4000-8000-0000000000' || lpad((n % 50)::text, 2, '0'))::uuid, gen_random_uuid(), 1, 1, 1, 1,
         'success', 1, 'model-' || n / 50 % 40, 'client-' || n / 2000 % 5
       from generate_series(1, $2) as n`,
      // So many that PostgreSQL would rather hash than sort.
      [at(quarter), kind === 'timescale' ? 200_000 : 10_000],
    );
    await pool.query('analyze usage_events');
    await announce(pool, engine, quarter + HOUR_MS);
    await engine.advance({ start: at(quarter), end: at(quarter + HOUR_MS) });
    const relation = await relationBehind(database, 'usage_15min');
    const { rows } = await pool.query<{ pages: number }>(
      `select max(pages)::integer as pages
       from (
         select count(distinct (tableoid, (ctid::text::point)[0])) as pages
         from ${relation}
         group by org_id, bucket
       ) as kept`,
    );
    // 200 rows fill four pages, and reach into those of their neighbours.
    expect(rows[0]?.pages).toBeLessThanOrEqual(6);
  });

  it('make an announcement wait for batches that may not have seen it', async () => {
    await insertEvents(pool, NOW - HOUR_MS, NOW, 60);
    const order: string[] = [];
    let announced: Promise<void> | undefined;
    await inTransaction(pool, async (client) => {
      await client.query('select watermark from rollup_state for share');
      announced = announce(pool, engine, NOW - (NOW % QUARTER_HOUR_MS)).then(
        () => void order.push('announced'),
      );
      await new Promise((settle) => setTimeout(settle, 300));
      order.push('committing');
    });
    await announced;
    expect(order).toEqual(['committing', 'announced']);
  });

  it('get a late event whose batch was about to commit while they were refreshed', async () => {
    const { rows } = await pool.query<{ allowed: boolean }>(
      `select current_setting('max_prepared_transactions')::integer > 0 as allowed`,
    );
    // The servers that the run starts allow it; one that is given may not.
    if (!rows[0]?.allowed) return;
    const first = Math.floor(NOW / HOUR_MS) * HOUR_MS;
    const second = first + engine.watermarkStep;
    await insertEvents(pool, first - HOUR_MS, first + HOUR_MS, 60);
    await announce(pool, engine, first);
    await engine.advance({ start: (await engine.oldestEvent()) as Date, end: at(first) });

    await engine.noticeChangesBelow(at(second));
    await pool.query({ ...announceWatermark, values: [at(second)] });
    // Prepared: all that a commit does was done, except making the event visible.
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select watermark from rollup_state for share');
    await client.query(
      `insert into usage_events select occurred_at, received_at, org_id, gen_random_uuid(), latency_ms, input_tokens,
         output_tokens, null, null, latency_bin, status, cost, model_id, client_id, null, null, null
       from usage_events where occurred_at = $1 limit 1`,
      [at(first)],
    );
    await client.query(`prepare transaction 'late'`);
    client.release();
    const refreshed = engine.advance({ start: at(first), end: at(second) });
    // Where rollups are written with the events, moving materialized_through waits for the batch.
    await Promise.race([refreshed, new Promise((settle) => setTimeout(settle, 1_000))]);
    await pool.query(`commit prepared 'late'`);
    await refreshed;

    await engine.refresh([{ start: at(first), end: at(first + HOUR_MS) }]);
    const { usage_events: stored, ...rest } = await totals(pool);
    expect(rest).toEqual(Object.fromEntries(RELATIONS.map((name) => [name, stored])));
  });
});
