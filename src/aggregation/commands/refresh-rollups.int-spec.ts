import { Logger } from '@nestjs/common';
import { describeEachEngine } from '../../../test/support/engines';
import { evenly, RollupTrial } from '../../../test/support/rollup-trial';
import { DAY_MS, HOUR_MS } from '../../platform/database/bucket-windows';
import { sql } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';
import { hourOf } from '../rollup-state';

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
    const claimed = await trial.worker.state.claimDirtyWindows(100);
    await trial.worker.engine.refresh(claimed.map(hourOf));
    await trial.ingest([(claimed[0]?.hour.getTime() ?? 0) + 1, (claimed[0]?.hour.getTime() ?? 0) + 2]);
    const touched = await trial.dirty();
    await trial.worker.state.forgetDirtyWindows(claimed);
    expect(Number(await trial.dirty())).toBeGreaterThan(0);
    expect(Number(await trial.dirty())).toBeLessThan(Number(touched));
    await trial.worker.refresh();
    expect(await trial.dirty()).toBe('0');
    await trial.expectExact();
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
