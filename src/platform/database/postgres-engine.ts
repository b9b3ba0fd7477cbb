import type { Pool, PoolClient } from 'pg';
import {
  bucketWindows,
  DAY_MS,
  HOUR_MS,
  includesWidth,
  QUARTER_HOUR_MS,
  type RefreshBounds,
} from './bucket-windows';
import { sql } from './sql';
import {
  type RefreshWindow,
  type RetentionHorizons,
  type RollupWidths,
  StorageEngine,
  type StorageEngineKind,
} from './storage-engine';
import { inTransaction } from './transaction';

/**
 * The width of each relation's partitions; released ones never change, because a partition's end is derived from it.
 * Days where each refresh or retention reads or drops days; wider ones keep the number of partitions of 13 months low.
 */
const PARTITIONS = {
  usage_events: 'day',
  usage_event_keys: 'day',
  usage_15min: 'day',
  latency_hourly: 'week',
  usage_hourly_materialized: 'week',
  usage_daily_materialized: 'month',
  org_usage_hourly_materialized: 'month',
  org_usage_daily_materialized: 'month',
  latency_daily_materialized: 'month',
  model_latency_hourly_materialized: 'week',
  model_latency_daily_materialized: 'month',
} as const;
type PartitionedRelation = keyof typeof PARTITIONS;

/** What is materialised, with the width of its buckets, each after the relation it is computed from. */
const MATERIALIZED = [
  ['usage_hourly_materialized', HOUR_MS, sql('engine/postgres/materialize-usage-hourly')],
  ['usage_daily_materialized', DAY_MS, sql('engine/postgres/materialize-usage-daily')],
  ['org_usage_hourly_materialized', HOUR_MS, sql('engine/postgres/materialize-org-usage-hourly')],
  ['org_usage_daily_materialized', DAY_MS, sql('engine/postgres/materialize-org-usage-daily')],
  ['latency_daily_materialized', DAY_MS, sql('engine/postgres/materialize-latency-daily')],
  ['model_latency_hourly_materialized', HOUR_MS, sql('engine/postgres/materialize-model-latency-hourly')],
  ['model_latency_daily_materialized', DAY_MS, sql('engine/postgres/materialize-model-latency-daily')],
] as const;

const AHEAD_MS = 8 * DAY_MS;

const lockRollups = sql('platform/lock-rollups');
const ensurePartitions = sql('platform/ensure-partitions');
const dropPartitions = sql('platform/drop-partitions');
const expireBatches = sql('platform/expire-batches');
const readState = sql('aggregation/read-rollup-state');
const markMaterialized = sql('aggregation/mark-materialized');
const oldestEvent = sql('engine/postgres/oldest-event');
const holdRollupState = sql('aggregation/hold-rollup-state');
const baseRollupsDiffer = sql('engine/postgres/base-rollups-differ');
/** What the trigger keeps, from the events. */
const REBUILT = [
  sql('engine/postgres/rebuild-usage-15min'),
  sql('engine/postgres/rebuild-latency-hourly'),
] as const;

interface State {
  readonly raw_from: Date | null;
  readonly materialized_through: Date | null;
}

/** Native partitions; a trigger keeps the finest rollups, and what is coarser is materialised from them here. */
export class PostgresEngine extends StorageEngine {
  readonly kind: StorageEngineKind = 'postgres';
  /** What is finer is kept with the events, whatever the watermark is. */
  readonly watermarkStep = QUARTER_HOUR_MS;

  constructor(
    private readonly pool: Pool,
    private readonly rawRetentionMs: number,
  ) {
    super();
  }

  async prepare(now: Date): Promise<void> {
    const to = new Date(now.getTime() + AHEAD_MS);
    const oldest = new Date(now.getTime() - this.rawRetentionMs);
    const yesterday = new Date(now.getTime() - DAY_MS);
    for (const relation of Object.keys(PARTITIONS) as PartitionedRelation[]) {
      await ensure(this.pool, relation, relation === 'usage_event_keys' ? yesterday : oldest, to);
    }
  }

  async oldestEvent(): Promise<Date | null> {
    const { rows } = await this.pool.query<{ oldest: Date | null }>(oldestEvent);
    return rows[0]?.oldest ?? null;
  }

  noticeChangesBelow(): Promise<void> {
    // The finest rollups are written with the events; the coarser ones are computed from what they hold by then.
    return Promise.resolve();
  }

  async advance(window: RefreshWindow): Promise<void> {
    await this.alone(async (client) => {
      const { raw_from: from } = await state(client);
      await materialize(client, [window], { from, through: window.end });
      await client.query(markMaterialized.text, [window.end]);
    });
  }

  async refresh(windows: readonly RefreshWindow[], widths: RollupWidths = 'all'): Promise<void> {
    await this.alone(async (client) => {
      const { raw_from: from, materialized_through: through } = await state(client);
      await materialize(client, windows, { from, through }, widths);
    });
  }

  async rebuild(window: RefreshWindow, orgId: string | null, signal?: AbortSignal): Promise<void> {
    const { raw_from: from } = await state(this.pool);
    const through = new Date(window.end.getTime() + HOUR_MS);
    for (const { start, end } of bucketWindows([window], HOUR_MS, { from, through })) {
      for (let hour = start.getTime(); hour < end.getTime(); hour += HOUR_MS) {
        signal?.throwIfAborted();
        await this.rebuildHour(new Date(hour), new Date(hour + HOUR_MS), orgId);
      }
    }
    await this.refresh([window]);
  }

  /** Batches have to wait only where there is something to repair, and only for an hour's worth of it. */
  private async rebuildHour(start: Date, end: Date, orgId: string | null): Promise<void> {
    const values = [start, end, orgId];
    const { rows } = await this.pool.query<{ differ: boolean }>({ ...baseRollupsDiffer, values });
    if (rows[0]?.differ !== true) return;
    await this.alone(async (client) => {
      const { rows: held } = await client.query<{ raw_from: Date | number }>(holdRollupState.text);
      // Given up since: its events may be gone in a moment.
      if (held.some(({ raw_from: from }) => from > start)) return;
      for (const { text } of REBUILT) await client.query(text, values);
    });
  }

  async expire({ events, quarterHours, hours, days, keys, batches }: RetentionHorizons): Promise<void> {
    const due: readonly (readonly [PartitionedRelation, Date | null])[] = [
      ['usage_events', events],
      ['usage_15min', quarterHours],
      ['usage_hourly_materialized', hours],
      ['org_usage_hourly_materialized', hours],
      ['latency_hourly', hours],
      ['model_latency_hourly_materialized', hours],
      ['usage_daily_materialized', days],
      ['org_usage_daily_materialized', days],
      ['latency_daily_materialized', days],
      ['model_latency_daily_materialized', days],
      ['usage_event_keys', keys],
    ];
    for (const [relation, horizon] of due) {
      if (!horizon) continue;
      await this.alone(async (client) => {
        // Dropping locks the whole relation: rather try again later than stand in front of everybody's queries.
        await client.query(`set local lock_timeout = '2s'`);
        await client.query(dropPartitions.text, [relation, PARTITIONS[relation], horizon]);
      });
    }
    await this.pool.query({ ...expireBatches, values: [batches] });
  }

  private async alone(work: (client: PoolClient) => Promise<void>): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query(`set local lock_timeout = '5s'`);
      await client.query(lockRollups.text);
      await work(client);
    });
  }
}

/** Each statement sees what was committed before it began: the lock is held by then, so no older refresh follows. */
async function materialize(
  client: PoolClient,
  windows: readonly RefreshWindow[],
  bounds: RefreshBounds,
  widths: RollupWidths = 'all',
): Promise<void> {
  for (const [relation, bucketMs, statement] of MATERIALIZED) {
    if (!includesWidth(widths, bucketMs)) continue;
    for (const { start, end } of bucketWindows(windows, bucketMs, bounds)) {
      await ensure(client, relation, start, end);
      await client.query(statement.text, [start, end]);
    }
  }
}

async function ensure(
  on: Pool | PoolClient,
  relation: PartitionedRelation,
  from: Date,
  to: Date,
): Promise<void> {
  await on.query(ensurePartitions.text, [relation, PARTITIONS[relation], from, to]);
}

async function state(client: Pool | PoolClient): Promise<State> {
  const { rows } = await client.query<State>(readState.text);
  return rows[0] ?? { raw_from: null, materialized_through: null };
}
