import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBus } from '@nestjs/cqrs';
import { ExpireDataCommand, ExpireDataHandler } from '../../src/aggregation/commands/expire-data.command';
import {
  RefreshRollupsCommand,
  RefreshRollupsHandler,
} from '../../src/aggregation/commands/refresh-rollups.command';
import { RollupState } from '../../src/aggregation/rollup-state';
import { BatchLedger } from '../../src/ingestion/batch-ledger';
import { loadConfig } from '../../src/platform/config/config';
import { Leases } from '../../src/platform/database/lease';
import { WorkerPool } from '../../src/platform/database/pools';
import { SelectedStorageEngine } from '../../src/platform/database/selected-storage-engine';
import { sql } from '../../src/platform/database/sql';
import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { inTransaction } from '../../src/platform/database/transaction';
import { Clock } from '../../src/shared/clock';
import type { RollupsRefreshed } from '../../src/shared/messages/rollups-refreshed.event';
import { createTestDatabase, type TestDatabase } from './test-database';

export const ORGS = [1, 2, 3].map((number) => `00000000-0000-4000-8000-00000000000${number}`);

const holdWatermark = sql('ingestion/hold-watermark');
const noteDirtyWindows = sql('ingestion/note-dirty-windows');

/** Stands where it is put. */
export class MovableClock extends Clock {
  constructor(public milliseconds: number) {
    super();
  }

  now(): Date {
    return new Date(this.milliseconds);
  }
}

/** One process with the role worker: events are kept 3 days, late ones admitted for 2. */
export function workerOn(database: TestDatabase, clock: Clock) {
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    RAW_RETENTION: '3d',
    RETENTION_15MIN: '10d',
    LATE_HORIZON: '2d',
    DEDUPE_WINDOW: '1d',
    RAW_WINDOW_LIMIT: '1d',
    COMPRESS_AFTER: '2d',
  });
  const pool = new WorkerPool(database.url);
  const engine = new SelectedStorageEngine(pool, pool, config);
  engine.select(database.engine);
  const state = new RollupState(pool);
  const leases = new Leases(pool);
  const published: RollupsRefreshed[] = [];
  const events = { publish: (event: RollupsRefreshed) => published.push(event) } as unknown as EventBus;
  const refreshing = new RefreshRollupsHandler(config, clock, leases, engine, state, events);
  const expiring = new ExpireDataHandler(config, clock, leases, engine, state);
  return {
    pool,
    engine,
    state,
    published,
    refresh: (signal?: AbortSignal) => refreshing.execute(new RefreshRollupsCommand(signal)),
    expire: () => expiring.execute(new ExpireDataCommand()),
  };
}

/**
 * Rollups under trial: a database, a clock to move, a process that refreshes and expires, batches as ingestion commits
 * them, and a plain table beside that holds every event ever stored, to compare with.
 */
export class RollupTrial {
  readonly worker: ReturnType<typeof workerOn>;

  private constructor(
    readonly database: TestDatabase,
    readonly clock: MovableClock,
  ) {
    this.worker = workerOn(database, clock);
  }

  static async begin(kind: StorageEngineKind, now: number): Promise<RollupTrial> {
    const trial = new RollupTrial(await createTestDatabase(kind), new MovableClock(now));
    await trial.database.pool.query('create table shadow as select * from usage_events');
    await trial.worker.engine.prepare(trial.clock.now());
    return trial;
  }

  async end(): Promise<void> {
    await this.worker.pool.end();
    await this.database.drop();
  }

  /** Commits events as ingestion does, and once more into a plain table that nothing else touches. */
  async ingest(instants: readonly number[], pauseMs = 0): Promise<void> {
    const rows = instants.map((instant) => ({
      instant: new Date(instant),
      orgId: pick(ORGS),
      eventId: randomUUID(),
    }));
    await inTransaction(this.database.pool, async (client) => {
      const { rows: held } = await client.query<{ watermark_ms: number }>(holdWatermark.text);
      for (const relation of ['usage_events', 'shadow']) {
        await client.query(
          `insert into ${relation} (occurred_at, received_at, org_id, event_id, latency_ms, input_tokens,
             output_tokens, latency_bin, status, cost, model_id, client_id)
           select occurred_at, now(), org_id, event_id, 250, 1000, 10, 77, 'success', 0.0000000003, 'm', ''
           from unnest($1::timestamptz[], $2::uuid[], $3::uuid[]) as batch (occurred_at, org_id, event_id)`,
          [
            rows.map(({ instant }) => instant),
            rows.map(({ orgId }) => orgId),
            rows.map(({ eventId }) => eventId),
          ],
        );
      }
      const ledger = new BatchLedger(held[0]?.watermark_ms ?? -Infinity);
      for (const { instant, orgId } of rows) ledger.add('stored', orgId, instant.getTime());
      const dirty = ledger.dirtyColumns();
      if (dirty) await client.query(noteDirtyWindows.text, dirty);
      await sleep(pauseMs);
    });
  }

  /** Buckets in which a rollup differs from what was ever stored. */
  private async differences(relation: string, width: string): Promise<unknown[]> {
    const { rows } = await this.database.pool.query(
      `with stored as (
         select date_bin($1::interval, occurred_at, '2000-01-01 00:00:00+00') as bucket, org_id, count(*) as requests
         from shadow group by 1, 2
       ), rolled_up as (
         select bucket, org_id, sum(requests) as requests from ${relation} group by 1, 2
       )
       select bucket, org_id, stored.requests as stored, rolled_up.requests as rolled_up
       from stored full join rolled_up using (bucket, org_id)
       where stored.requests is distinct from rolled_up.requests`,
      [width],
    );
    return rows;
  }

  async expectExact(): Promise<void> {
    for (const [relation, width] of [
      ['usage_15min', '15 minutes'],
      ['usage_hourly', '1 hour'],
      ['usage_daily', '1 day'],
      ['org_usage_15min', '15 minutes'],
      ['org_usage_hourly', '1 hour'],
      ['org_usage_daily', '1 day'],
      ['latency_hourly', '1 hour'],
      ['latency_daily', '1 day'],
      ['org_latency_hourly', '1 hour'],
      ['org_latency_daily', '1 day'],
    ] as const) {
      expect({ [relation]: await this.differences(relation, width) }).toEqual({ [relation]: [] });
    }
  }

  /** How many dirty windows there are. */
  async dirty(): Promise<string> {
    return (
      (await this.database.pool.query<{ count: string }>('select count(*) from dirty_windows')).rows[0]
        ?.count ?? ''
    );
  }
}

export function evenly(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + Math.floor(((to - from) * index) / count));
}

export function pick<Value>(values: readonly Value[]): Value {
  return values[Math.floor(Math.random() * values.length)] as Value;
}
