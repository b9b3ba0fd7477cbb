import type { Pool, PoolClient } from 'pg';
import {
  bucketWindows,
  DAY_MS,
  HOUR_MS,
  includesWidth,
  MINUTE_MS,
  QUARTER_HOUR_MS,
  type RefreshBounds,
  startOfBucket,
} from './bucket-windows';
import { sql, sqlOver } from './sql';
import {
  type RefreshWindow,
  type RetentionHorizons,
  type RollupWidths,
  StorageEngine,
  type StorageEngineKind,
} from './storage-engine';
import { inTransaction, withConnection } from './transaction';

/** Continuous aggregates with the width of their buckets, each after the one it is computed from. */
const WIDTHS = {
  usage_minute_materialized: MINUTE_MS,
  org_usage_minute_materialized: MINUTE_MS,
  org_latency_minute_materialized: MINUTE_MS,
  model_latency_minute_materialized: MINUTE_MS,
  usage_15min_materialized: QUARTER_HOUR_MS,
  org_usage_15min_materialized: QUARTER_HOUR_MS,
  usage_hourly_materialized: HOUR_MS,
  usage_daily_materialized: DAY_MS,
  org_usage_hourly_materialized: HOUR_MS,
  org_usage_daily_materialized: DAY_MS,
  latency_15min_materialized: QUARTER_HOUR_MS,
  model_latency_15min_materialized: QUARTER_HOUR_MS,
  latency_hourly_materialized: HOUR_MS,
  latency_daily_materialized: DAY_MS,
  org_latency_hourly_materialized: HOUR_MS,
  org_latency_daily_materialized: DAY_MS,
  model_latency_hourly_materialized: HOUR_MS,
  model_latency_daily_materialized: DAY_MS,
  platform_latency_hourly_materialized: HOUR_MS,
  platform_latency_daily_materialized: DAY_MS,
} as const;
type Rollup = keyof typeof WIDTHS;
const ROLLUPS = Object.keys(WIDTHS) as Rollup[];
/** Only the quarter of an hour that is not over is read of these. */
const FOR_OPEN_QUARTER = ROLLUPS.filter((relation) => WIDTHS[relation] === MINUTE_MS);
/** Only the hour that is not over is read of these: latencies of closed hours are kept by the hour. */
const FOR_OPEN_HOUR: readonly Rollup[] = ['latency_15min_materialized', 'model_latency_15min_materialized'];

const lockRollups = sql('platform/lock-rollups');
const ensurePartitions = sql('platform/ensure-partitions');
const dropPartitions = sql('platform/drop-partitions');
const expireBatches = sql('platform/expire-batches');
const readBounds = sql('engine/timescale/read-bounds');
const markMaterialized = sql('aggregation/mark-materialized');
const rollupsBehind = sql('engine/timescale/rollups-behind');
const markAddedRollups = sql('engine/timescale/mark-added-rollups');
const oldestEvent = sql('engine/timescale/oldest-event');
const noticeChanges = sql('engine/timescale/notice-changes');
const refreshRollup = sqlOver('engine/timescale/refresh-rollup', ROLLUPS);
const noteAsChanged = sql('engine/timescale/note-as-changed');
const dropChunks = sqlOver('engine/timescale/drop-chunks', ['usage_events', ...ROLLUPS]);
const chunksToCompress = sql('engine/timescale/chunks-to-compress');
const compressChunk = sql('engine/timescale/compress-chunk');

interface Bounds extends RefreshBounds {
  /** Where the open quarter and the open hour begin, below which some rollups are not read. */
  readonly openQuarter: Date;
  readonly openHour: Date;
}

/** A hypertable with stacked continuous aggregates. TimescaleDB itself keeps track of the ranges that changed. */
export class TimescaleEngine extends StorageEngine {
  readonly kind: StorageEngineKind = 'timescale';
  readonly watermarkStep = MINUTE_MS;

  /** `owner` connects as the owner of the relations: TimescaleDB lets nobody else refresh, compress or drop. */
  constructor(
    private readonly pool: Pool,
    private readonly owner: Pool = pool,
  ) {
    super();
  }

  async prepare(now: Date): Promise<void> {
    const [from, to] = [new Date(now.getTime() - DAY_MS), new Date(now.getTime() + 8 * DAY_MS)];
    await this.pool.query({ ...ensurePartitions, values: ['usage_event_keys', 'day', from, to] });
  }

  async oldestEvent(): Promise<Date | null> {
    const { rows } = await this.pool.query<{ oldest: Date | null }>(oldestEvent);
    return rows[0]?.oldest ?? null;
  }

  async noticeChangesBelow(watermark: Date): Promise<void> {
    await withConnection(this.owner, (client) => run(client, noticeChanges.text, [watermark]));
  }

  async advance(window: RefreshWindow): Promise<void> {
    const bounds = await this.alone(async (client) => {
      const { skippedByOthers, ...closed } = await this.bounds(window.end);
      // Below the window nothing is due, although much may be noted as changed there: a batch with one event of 10:05 and
      // others of 10:50 has TimescaleDB note all in between. But another release leaves out what it does not know.
      const openHour = { start: closed.openHour, end: window.end };
      await this.refreshRollups(ROLLUPS, skippedByOthers ? [openHour, window] : [window], closed);
      await client.query(markMaterialized.text, [window.end]);
      return closed;
    });
    await this.catchUp(bounds, window.end);
  }

  /**
   * Brings what later releases have added up to what it is summed up from, because a release that does not know of it
   * may have advanced and refreshed late windows. What was filled before is looked over at once, in some milliseconds
   * where nothing has changed; what was not, all of it when a migration has just made it empty, is filled a day at a
   * time. Until its mark moves at the end, answers come from below.
   */
  private async catchUp(bounds: Bounds, through: Date): Promise<void> {
    const { rows } = await this.pool.query<{ relation: Rollup; start: Date; filled: Date }>({
      ...rollupsBehind,
      values: [bounds.from],
    });
    for (const { relation, start, filled } of rows) {
      for (let begin = start, end: Date; begin < through; begin = end) {
        end = begin < filled ? filled : nextDay(begin);
        const window = { start: begin, end };
        await this.alone(() => this.refreshRollups([relation], [window], { ...bounds, from: start }));
      }
    }
    await this.alone((client) => client.query(markAddedRollups.text, [through]));
  }

  async refresh(windows: readonly RefreshWindow[], widths: RollupWidths = 'all'): Promise<void> {
    const rollups = ROLLUPS.filter((relation) => includesWidth(widths, WIDTHS[relation]));
    await this.alone(async () => {
      await this.refreshRollups(rollups, windows, await this.bounds());
    });
  }

  /** Continuous aggregates hold all organisations, so all are rebuilt. */
  async rebuild(window: RefreshWindow, _orgId: string | null, signal?: AbortSignal): Promise<void> {
    await this.alone(async () => {
      const bounds = await this.bounds();
      await this.refreshing(async (client) => {
        for (const relation of ROLLUPS) {
          for (const { start, end } of bucketsOf(relation, [window], bounds)) {
            signal?.throwIfAborted();
            await client.query(noteAsChanged.text, [relation, start, end]);
            await run(client, refreshRollup.over(relation).text, [start, end]);
          }
        }
      });
    });
  }

  async expire(horizons: RetentionHorizons): Promise<void> {
    const { events, openHour, quarterHours, hours, days, keys, batches, compression } = horizons;
    const due = [
      ['usage_events', events],
      ...FOR_OPEN_QUARTER.map((relation) => [relation, openHour] as const),
      ['usage_15min_materialized', quarterHours],
      ['org_usage_15min_materialized', quarterHours],
      ['latency_15min_materialized', openHour],
      ['model_latency_15min_materialized', openHour],
      ['usage_hourly_materialized', hours],
      ['org_usage_hourly_materialized', hours],
      ['latency_hourly_materialized', hours],
      ['org_latency_hourly_materialized', hours],
      ['model_latency_hourly_materialized', hours],
      ['platform_latency_hourly_materialized', hours],
      ['usage_daily_materialized', days],
      ['org_usage_daily_materialized', days],
      ['latency_daily_materialized', days],
      ['org_latency_daily_materialized', days],
      ['model_latency_daily_materialized', days],
      ['platform_latency_daily_materialized', days],
    ] as const;
    for (const [relation, horizon] of due) {
      if (horizon) await this.alone((client) => client.query(dropChunks.over(relation).text, [horizon]));
    }
    await this.alone((client) => client.query(dropPartitions.text, ['usage_event_keys', 'day', keys]));
    await this.pool.query({ ...expireBatches, values: [batches] });
    const { rows } = await this.pool.query<{ chunk: string }>({ ...chunksToCompress, values: [compression] });
    for (const { chunk } of rows) {
      await this.alone((client) => client.query(compressChunk.text, [chunk]));
    }
  }

  /** Refreshes the whole buckets that the windows touch and that lie within the bounds. */
  private async refreshRollups(
    rollups: readonly Rollup[],
    windows: readonly RefreshWindow[],
    bounds: Bounds,
  ): Promise<void> {
    await this.refreshing(async (client) => {
      for (const relation of rollups) {
        for (const { start, end } of bucketsOf(relation, windows, bounds))
          await run(client, refreshRollup.over(relation).text, [start, end]);
      }
    });
  }

  /**
   * Lends a connection on which rollups are computed by sorting. They are stored in the order in which they are computed:
   * 40 rows of an organisation and quarter of an hour lay on 40 pages after hashing and lie on two after sorting, which
   * takes 1 µs more an event.
   */
  private async refreshing(work: (client: PoolClient) => Promise<void>): Promise<void> {
    await withConnection(this.owner, async (client) => {
      await client.query('set enable_hashagg = off');
      await work(client);
      await client.query('reset enable_hashagg');
    });
  }

  /** With what is materialised through `through`, if that is not how it stands. */
  private async bounds(through?: Date): Promise<Bounds & { readonly skippedByOthers: boolean }> {
    const { rows } = await this.pool.query<{
      from: Date | null;
      through: Date | null;
      open_quarter: Date;
      open_hour: Date;
      skipped_by_others: boolean;
    }>({ ...readBounds, values: [through ?? null] });
    const [row] = rows;
    if (!row) throw new Error('The table rollup_state has lost its row.');
    return {
      from: row.from,
      through: row.through,
      openQuarter: row.open_quarter,
      openHour: row.open_hour,
      skippedByOthers: row.skipped_by_others,
    };
  }

  /**
   * Holds the lock of refresh and expiry while `work` runs. A refresh commits by itself and so cannot run in the
   * transaction that holds the lock; it runs on another connection meanwhile.
   */
  private alone<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    return inTransaction(this.owner, async (client) => {
      await client.query(`set local lock_timeout = '5s'`);
      await client.query(`set local idle_in_transaction_session_timeout = '15min'`);
      await client.query(lockRollups.text);
      return work(client);
    });
  }
}

/** The whole buckets of a rollup that are refreshed. What changes where it is not read stays noted. */
function bucketsOf(relation: Rollup, windows: readonly RefreshWindow[], bounds: Bounds): RefreshWindow[] {
  const { through, openQuarter, openHour } = bounds;
  let { from } = bounds;
  if (FOR_OPEN_QUARTER.includes(relation)) from = openQuarter;
  if (FOR_OPEN_HOUR.includes(relation)) from = openHour;
  return bucketWindows(windows, WIDTHS[relation], { from, through });
}

function nextDay(instant: Date): Date {
  return new Date(startOfBucket(instant, DAY_MS).getTime() + DAY_MS);
}

/** TimescaleDB says at each refresh in a notice that there was nothing to do; nobody reads that. */
async function run(client: PoolClient, text: string, values: unknown[]): Promise<void> {
  await client.query(text, values);
}
