import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { EventBus } from '@nestjs/cqrs';
import { describeEachEngine } from '../../../test/support/engines';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { loadConfig } from '../../platform/config/config';
import { DAY_MS, HOUR_MS, QUARTER_HOUR_MS } from '../../platform/database/bucket-windows';
import { Leases } from '../../platform/database/lease';
import { WorkerPool } from '../../platform/database/pools';
import { isTransient } from '../../platform/database/postgres-errors';
import { SelectedStorageEngine } from '../../platform/database/selected-storage-engine';
import { sql } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';
import { Clock } from '../../shared/clock';
import type { RollupsRefreshed } from '../../shared/messages/rollups-refreshed.event';
import { hourOf, RollupState } from '../rollup-state';
import { ExpireDataCommand, ExpireDataHandler } from './expire-data.command';
import { RefreshRollupsCommand, RefreshRollupsHandler } from './refresh-rollups.command';

const START = Date.UTC(2026, 9, 20, 0, 20);
const ORGS = [1, 2, 3].map((number) => `00000000-0000-4000-8000-00000000000${number}`);
const holdWatermark = sql('ingestion/hold-watermark');
const noteDirtyWindows = sql('ingestion/note-dirty-windows');

class MovableClock extends Clock {
  constructor(public milliseconds: number) {
    super();
  }
  now(): Date {
    return new Date(this.milliseconds);
  }
}

/** One process with the role worker. */
function workerOn(database: TestDatabase, clock: Clock) {
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
  const engine = new SelectedStorageEngine(pool, config);
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

beforeAll(() => Logger.overrideLogger(false));

describeEachEngine('refresh and expiry', (kind) => {
  let database: TestDatabase;
  let clock: MovableClock;
  let worker: ReturnType<typeof workerOn>;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    await database.pool.query('create table shadow as select * from usage_events');
    clock = new MovableClock(START);
    worker = workerOn(database, clock);
    await worker.engine.prepare(clock.now());
  });
  afterEach(async () => {
    await worker.pool.end();
    await database.drop();
  });

  /** Commits events as ingestion does, and once more into a plain table that nothing else touches. */
  async function ingest(instants: readonly number[], pauseMs = 0): Promise<void> {
    const rows = instants.map((instant) => ({
      instant: new Date(instant),
      orgId: pick(ORGS),
      eventId: randomUUID(),
    }));
    await inTransaction(database.pool, async (client) => {
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
      const late = rows
        .filter(({ instant }) => instant.getTime() < (held[0]?.watermark_ms ?? -Infinity))
        .map(({ instant, orgId }) => `${orgId}@${Math.floor(instant.getTime() / HOUR_MS) * HOUR_MS}`);
      const windows = [...new Set(late)].map((key) => key.split('@') as [string, string]);
      await client.query(noteDirtyWindows.text, [
        windows.map(([orgId]) => orgId),
        windows.map(([, hour]) => new Date(Number(hour))),
      ]);
      await sleep(pauseMs);
    });
  }

  /** Buckets in which a rollup differs from what was ever stored. */
  async function differences(relation: string, width: string): Promise<unknown[]> {
    const { rows } = await database.pool.query(
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

  async function expectExact(): Promise<void> {
    for (const [relation, width] of [
      ['usage_15min', '15 minutes'],
      ['usage_hourly', '1 hour'],
      ['usage_daily', '1 day'],
      ['latency_hourly', '1 hour'],
      ['latency_daily', '1 day'],
    ] as const) {
      expect({ [relation]: await differences(relation, width) }).toEqual({ [relation]: [] });
    }
  }

  const dirty = async (): Promise<string> =>
    (await database.pool.query<{ count: string }>('select count(*) from dirty_windows')).rows[0]?.count ?? '';

  it('materialises from the oldest event to the settled quarter of an hour, and says so', async () => {
    await ingest(evenly(START - 2 * DAY_MS, START, 500));
    const result = await worker.refresh();
    expect(result).toEqual({ watermark: new Date(Date.UTC(2026, 9, 20, 0, 15)), refreshedWindows: 0 });
    const state = await worker.state.read();
    expect(state.materializedThrough).toEqual(result?.watermark);
    expect(worker.published.at(-1)?.end).toEqual(result?.watermark);
    expect(worker.published.every(({ start }, index) => index === 0 || start <= (worker.published[index - 1]?.end ?? start))).toBe(true); // prettier-ignore
    await expectExact();
  });

  it('starts at the watermark when there are no events yet', async () => {
    await worker.refresh();
    expect((await worker.state.read()).materializedThrough).toEqual(new Date(Date.UTC(2026, 9, 20, 0, 15)));
    await ingest(evenly(START - DAY_MS, START, 100));
    expect((await worker.refresh())?.refreshedWindows).toBeGreaterThan(0);
    await expectExact();
  });

  it('refreshes late events and forgets their windows, but not one touched again meanwhile', async () => {
    await ingest(evenly(START - 2 * DAY_MS, START, 100));
    await worker.refresh();
    await ingest(evenly(START - 30 * HOUR_MS, START - 20 * HOUR_MS, 50));
    expect(Number(await dirty())).toBeGreaterThan(10);
    const claimed = await worker.state.claimDirtyWindows(100);
    await worker.engine.refresh(claimed.map(hourOf));
    await ingest([(claimed[0]?.hour.getTime() ?? 0) + 1, (claimed[0]?.hour.getTime() ?? 0) + 2]);
    const touched = await dirty();
    await worker.state.forgetDirtyWindows(claimed);
    expect(Number(await dirty())).toBeGreaterThan(0);
    expect(Number(await dirty())).toBeLessThan(Number(touched));
    await worker.refresh();
    expect(await dirty()).toBe('0');
    await expectExact();
  });

  it('goes on where a process died between announcing and materialising', async () => {
    await ingest(evenly(START - 2 * DAY_MS, START, 200));
    await worker.refresh();
    clock.milliseconds += 2 * HOUR_MS;
    await ingest(evenly(START, clock.milliseconds, 100));
    await worker.engine.noticeChangesBelow(new Date(clock.milliseconds - HOUR_MS));
    await worker.state.announce(new Date(clock.milliseconds - HOUR_MS));
    await ingest([START + 1]);
    await worker.refresh();
    clock.milliseconds += DAY_MS;
    await ingest(evenly(START + DAY_MS, clock.milliseconds, 10));
    await worker.refresh();
    const state = await worker.state.read();
    expect(state.materializedThrough).toEqual(state.watermark);
    await expectExact();
  });

  it('refreshes late windows, and keeps no batch waiting, while one batch takes so long that nothing can be announced', async () => {
    await ingest(evenly(START - DAY_MS, START, 100));
    await worker.refresh();
    await ingest(evenly(START - 10 * HOUR_MS, START - 5 * HOUR_MS, 10));
    const { watermark } = await worker.state.read();
    clock.milliseconds += HOUR_MS;
    await inTransaction(database.pool, async (client) => {
      await client.query(holdWatermark.text);
      expect(await worker.refresh()).toMatchObject({ watermark });
      expect(await dirty()).toBe('0');
      await ingest([START]);
    });
    expect((await worker.refresh())?.watermark?.getTime()).toBe((watermark?.getTime() ?? 0) + HOUR_MS);
    await expectExact();
  });

  it('stops between two days when asked to, and completes later', async () => {
    await ingest(evenly(START - 3 * DAY_MS, START, 100));
    const stop = new AbortController();
    const publish = worker.published.push.bind(worker.published);
    worker.published.push = (...events) => {
      stop.abort();
      return publish(...events);
    };
    await expect(worker.refresh(stop.signal)).rejects.toThrow('aborted');
    expect(worker.published).toHaveLength(1);
    await worker.refresh();
    await expectExact();
  });

  it('leaves a refresh to the process that is at it', async () => {
    await ingest(evenly(START - DAY_MS, START, 100));
    const other = workerOn(database, clock);
    try {
      const results = await Promise.all([worker.refresh(), other.refresh(), worker.refresh()]);
      expect(results.filter((result) => result !== undefined)).toHaveLength(1);
    } finally {
      await other.pool.end();
    }
  });

  it('gives up raw events only when every rollup below is final, and drops them a run later', async () => {
    await ingest(evenly(START - 2 * DAY_MS, START, 300));
    await worker.refresh();
    clock.milliseconds += 2 * DAY_MS + 2 * HOUR_MS;
    const horizon = new Date(Date.UTC(2026, 9, 19));
    expect(await worker.expire()).toEqual({ rawFrom: horizon });
    const oldest = async (): Promise<Date | undefined> =>
      (await database.pool.query<{ oldest: Date }>('select min(occurred_at) as oldest from usage_events')).rows[0]?.oldest; // prettier-ignore
    expect((await oldest())?.getTime()).toBe(START - 2 * DAY_MS);
    await worker.expire();
    expect((await oldest())?.getTime()).toBeGreaterThanOrEqual(horizon.getTime());

    await database.pool.query(`insert into dirty_windows values ($1, $2)`, [ORGS[0], horizon]);
    clock.milliseconds += DAY_MS;
    expect(await worker.expire()).toEqual({ rawFrom: horizon });
    await worker.refresh();
    expect(await worker.expire()).toEqual({ rawFrom: new Date(horizon.getTime() + DAY_MS) });
    await expectExact();
  });

  it('stays exact while late events, refreshes and expiry of two processes run into each other', async () => {
    const other = workerOn(database, clock);
    const end = START + 4 * DAY_MS;
    const until = async (work: () => Promise<unknown>, pauseMs: number): Promise<void> => {
      while (clock.milliseconds < end) {
        await work().catch((error: unknown) => {
          if (!isTransient(error)) throw error;
        });
        await sleep(pauseMs);
      }
    };
    try {
      await Promise.all([
        until(async () => Promise.resolve((clock.milliseconds += QUARTER_HOUR_MS)), 20),
        ...[1, 2].map(() =>
          until(async () => {
            const { milliseconds: now } = clock;
            const lateness = [0, 0, 60_000, HOUR_MS, 20 * HOUR_MS, 2 * DAY_MS];
            const instants = Array.from({ length: 20 }, () => now - Math.random() * pick(lateness));
            await ingest(instants, Math.random() * 60);
          }, 0),
        ),
        ...[worker, other].flatMap(({ refresh, expire }) => [until(refresh, 150), until(expire, 300)]),
      ]);
      await other.refresh();
      expect(await dirty()).toBe('0');
      const rawFrom = (await worker.expire())?.rawFrom as Date;
      expect(rawFrom.getTime()).toBeGreaterThan(START - DAY_MS);
      await worker.expire();
      await worker.engine.refresh([{ start: new Date(START - 10 * DAY_MS), end: new Date(end) }]);
      await expectExact();
    } finally {
      await other.pool.end();
    }
  });
});

function evenly(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + Math.floor(((to - from) * index) / count));
}

function pick<Value>(values: readonly Value[]): Value {
  return values[Math.floor(Math.random() * values.length)] as Value;
}
