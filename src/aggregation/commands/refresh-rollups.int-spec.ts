import { Logger } from '@nestjs/common';
import { describeEachEngine } from '../../../test/support/engines';
import { evenly, RollupTrial } from '../../../test/support/rollup-trial';
import { DAY_MS, HOUR_MS, QUARTER_HOUR_MS } from '../../platform/database/bucket-windows';
import { sql } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';

const holdWatermark = sql('ingestion/hold-watermark');

const START = Date.UTC(2026, 9, 20, 0, 20);

beforeAll(() => Logger.overrideLogger(false));

describeEachEngine('the refresh of rollups', (kind) => {
  /** ROLLUP_REFRESH_LAG before, where the watermark may stand. */
  const settled = new Date(Date.UTC(2026, 9, 20, 0, kind === 'timescale' ? 19 : 15));
  let trial: RollupTrial;

  beforeEach(async () => {
    trial = await RollupTrial.begin(kind, START);
  });
  afterEach(() => trial.end());

  /** Runs a statement on the table in which TimescaleDB keeps what is materialised of a rollup. */
  async function materialized(
    relation: string,
    statement: (table: string) => string,
  ): Promise<{ minute: number }[]> {
    const { rows } = await trial.database.pool.query<{ kept: string }>(
      `select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as kept
       from timescaledb_information.continuous_aggregates where view_name = $1`,
      [`${relation}_materialized`],
    );
    return (await trial.database.pool.query<{ minute: number }>(statement(rows[0]?.kept ?? ''))).rows;
  }

  it('materialises from the oldest event to the settled minute or quarter of an hour, and says so', async () => {
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 500));
    const result = await trial.worker.refresh();
    expect(result).toEqual({ watermark: settled, refreshedWindows: 0 });
    const state = await trial.worker.state.read();
    expect(state.materializedThrough).toEqual(result?.watermark);
    expect(trial.worker.published.at(-1)?.end).toEqual(result?.watermark);
    expect(trial.worker.published.every(({ start }, index) => index === 0 || start <= (trial.worker.published[index - 1]?.end ?? start))).toBe(true); // prettier-ignore
    await trial.expectExact();
  });

  it('starts at the watermark when there are no events yet', async () => {
    await trial.worker.refresh();
    expect((await trial.worker.state.read()).materializedThrough).toEqual(settled);
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    expect((await trial.worker.refresh())?.refreshedWindows).toBeGreaterThan(0);
    await trial.expectExact();
  });

  it('refreshes late events and forgets their windows, but not one touched again meanwhile', async () => {
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 100));
    await trial.worker.refresh();
    await trial.ingest(evenly(START - 30 * HOUR_MS, START - 20 * HOUR_MS, 50));
    expect(Number(await trial.dirty())).toBeGreaterThan(10);
    const claimed = await trial.worker.state.claimDirtyWindows(null, null);
    await trial.worker.engine.refresh(claimed.map(({ touched }) => touched));
    await trial.ingest([(claimed[0]?.hour.getTime() ?? 0) + 1, (claimed[0]?.hour.getTime() ?? 0) + 2]);
    const touched = await trial.dirty();
    await trial.worker.state.forgetDirtyWindows(claimed);
    expect(Number(await trial.dirty())).toBeGreaterThan(0);
    expect(Number(await trial.dirty())).toBeLessThan(Number(touched));
    await trial.worker.refresh();
    expect(await trial.dirty()).toBe('0');
    await trial.expectExact();
  });

  it('computes again only what late events have touched, whatever else is noted as changed', async () => {
    // On plain PostgreSQL the finest rollups are kept with the events.
    if (kind === 'postgres') return;
    const midnight = START - 20 * 60_000;
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    await trial.ingest(evenly(midnight - HOUR_MS, START, 320));
    await trial.worker.refresh();
    // A wrong number tells whether a bucket was computed again.
    const wrong = 1_000_000;
    for (const relation of ['usage_15min', 'usage_minute', 'org_latency_minute', 'model_latency_minute'])
      await materialized(relation, (table) => `update ${table} set requests = ${wrong}`);
    const left = (relation: string, from: number): Promise<unknown> =>
      materialized(relation, (table) => `select extract(epoch from bucket)::integer / 60 - ${midnight / 60_000} as minute
         from ${table} where bucket >= to_timestamp(${from / 1_000}) group by bucket having max(requests) = ${wrong} order by bucket`).then((rows) => rows.map(({ minute }) => minute)); // prettier-ignore

    // TimescaleDB notes all that lies between the events of a batch.
    await trial.ingest([midnight - 40 * 60_000, midnight + 16 * 60_000 + 1, START]);
    trial.clock.milliseconds += 60_000;
    await trial.worker.refresh();
    expect(await left('usage_15min', midnight - HOUR_MS)).toEqual([-60, -30, -15, 0]);
    for (const relation of ['usage_minute', 'org_latency_minute', 'model_latency_minute'])
      expect([relation, await left(relation, midnight + 15 * 60_000)]).toEqual([relation, [15, 17, 18]]);
  });

  it('takes an hour for touched as a whole once a release has noted it that does not say where', async () => {
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    await trial.worker.refresh();
    const hour = Math.floor(START / HOUR_MS) * HOUR_MS - 5 * HOUR_MS;
    await trial.ingest([hour + 50 * 60_000]);
    // As if another event had been noted first, and this one by that release.
    await trial.database.pool.query(
      `update dirty_windows
       set generation = generation + 1, earliest = hour + interval '5 minutes', latest = hour + interval '5 minutes'`,
    );
    expect((await trial.worker.refresh())?.refreshedWindows).toBe(1);
    await trial.expectExact();
    await trial.ingest([hour + 10 * 60_000]);
    await trial.database.pool.query(
      'update dirty_windows set generation = 1, earliest = null, latest = null, spanned = 0',
    );
    await trial.worker.refresh();
    await trial.expectExact();
  });

  it('moves the watermark between steps of older hours, and then refreshes what is late in the newest first', async () => {
    const kinds = (): string[] =>
      trial.worker.published.splice(0).map(({ orgIds }) => (orgIds ? 'late' : 'watermark'));
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 100));
    await trial.worker.refresh();
    await trial.ingest([3, 5, 7, 9, 30].map((hours) => START - hours * HOUR_MS));
    kinds();

    const { engine } = trial.worker;
    const refresh = engine.refresh.bind(engine);
    const newest = new Date(START - 20 * 60_000);
    const newestIsDirty = async (): Promise<boolean> =>
      (await trial.database.pool.query('select from dirty_windows where hour = $1', [newest])).rowCount === 1;
    const before: (boolean | string)[] = [];
    // Each step takes as long as a quarter of an hour.
    engine.refresh = async (windows, widths) => {
      before.push(`${widths} of ${windows.length}`, await newestIsDirty());
      trial.clock.milliseconds += QUARTER_HOUR_MS;
      if (before.length === 2) await trial.ingest([newest.getTime() + 10 * 60_000]);
      await refresh(windows, widths);
    };
    // Of five hours, and the one noted meanwhile.
    expect((await trial.worker.refresh())?.refreshedWindows).toBe(6);
    expect(before).toEqual([
      ...['hours of 1', false],
      // Noted while the first step was at it.
      ...['hours of 1', true, 'days of 1', true],
      ...['days of 1', false],
      ...['hours of 2', false, 'hours of 2', false, 'days of 4', false],
    ]);
    expect(kinds()).toEqual([
      ...['watermark', 'late', 'watermark', 'late'],
      ...['watermark', 'watermark', 'watermark', 'late'],
    ]);
    expect(await trial.dirty()).toBe('0');
    await trial.expectExact();
  });

  it('keeps a window that another process has forgotten and a batch has noted anew meanwhile', async () => {
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    await trial.worker.refresh();
    await trial.ingest([START - 5 * HOUR_MS]);
    const { state } = trial.worker;
    const claimed = await state.claimDirtyWindows(null, null);
    await trial.database.pool.query(
      `update dirty_windows set earliest = earliest - interval '5 minutes', latest = latest - interval '5 minutes'`,
    );
    await state.forgetDirtyWindows(claimed);
    expect(await trial.dirty()).toBe('1');
    await state.forgetDirtyWindows(await state.claimDirtyWindows(null, null));
    expect(await trial.dirty()).toBe('0');
  });

  it('goes on where a process died between announcing and materialising', async () => {
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 200));
    await trial.worker.refresh();
    trial.clock.milliseconds += 2 * HOUR_MS;
    await trial.ingest(evenly(START, trial.clock.milliseconds, 100));
    await trial.worker.engine.noticeChangesBelow(new Date(trial.clock.milliseconds - HOUR_MS));
    await trial.worker.state.announce(new Date(trial.clock.milliseconds - HOUR_MS));
    await trial.ingest([START + 1]);
    await trial.worker.refresh();
    trial.clock.milliseconds += DAY_MS;
    await trial.ingest(evenly(START + DAY_MS, trial.clock.milliseconds, 10));
    await trial.worker.refresh();
    const state = await trial.worker.state.read();
    expect(state.materializedThrough).toEqual(state.watermark);
    await trial.expectExact();
  });

  it('refreshes late windows, and keeps no batch waiting, while one batch takes so long that nothing can be announced', async () => {
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    await trial.worker.refresh();
    await trial.ingest(evenly(START - 10 * HOUR_MS, START - 5 * HOUR_MS, 10));
    const { watermark } = await trial.worker.state.read();
    trial.clock.milliseconds += HOUR_MS;
    await inTransaction(trial.database.pool, async (client) => {
      await client.query(holdWatermark.text);
      expect(await trial.worker.refresh()).toMatchObject({ watermark });
      expect(await trial.dirty()).toBe('0');
      await trial.ingest([START]);
    });
    expect((await trial.worker.refresh())?.watermark?.getTime()).toBe((watermark?.getTime() ?? 0) + HOUR_MS);
    await trial.expectExact();
  });

  it('stops between two days when asked to, and completes later', async () => {
    await trial.ingest(evenly(START - 3 * DAY_MS, START, 100));
    const stop = new AbortController();
    const publish = trial.worker.published.push.bind(trial.worker.published);
    trial.worker.published.push = (...events) => {
      stop.abort();
      return publish(...events);
    };
    await expect(trial.worker.refresh(stop.signal)).rejects.toThrow('aborted');
    expect(trial.worker.published).toHaveLength(1);
    await trial.worker.refresh();
    await trial.expectExact();
  });

  it('leaves a refresh to the process that is at it', async () => {
    await trial.ingest(evenly(START - DAY_MS, START, 100));
    await trial.database.pool.query(
      "insert into leases (name, owner, expires_at) values ('rollups', 'another process', now() + interval '1 hour')",
    );
    expect(await trial.worker.refresh()).toBeUndefined();
    await trial.database.pool.query("update leases set expires_at = now() where name = 'rollups'");
    expect(await trial.worker.refresh()).toBeDefined();
    await trial.expectExact();
  });
});
