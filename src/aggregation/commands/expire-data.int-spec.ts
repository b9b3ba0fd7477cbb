import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { describeEachEngine } from '../../../test/support/engines';
import { evenly, ORGS, pick, RollupTrial, workerOn } from '../../../test/support/rollup-trial';
import { DAY_MS, HOUR_MS, QUARTER_HOUR_MS } from '../../platform/database/bucket-windows';
import { isTransient } from '../../platform/database/postgres-errors';
import { inTransaction } from '../../platform/database/transaction';

const START = Date.UTC(2026, 9, 20, 0, 20);

beforeAll(() => Logger.overrideLogger(false));

describeEachEngine('the expiry of data', (kind) => {
  let trial: RollupTrial;

  beforeEach(async () => {
    trial = await RollupTrial.begin(kind, START);
  });
  afterEach(() => trial.end());

  it('gives up raw events only when every rollup below is final, and drops them a run later', async () => {
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 300));
    await trial.worker.refresh();
    trial.clock.milliseconds += 2 * DAY_MS + 2 * HOUR_MS;
    const horizon = new Date(Date.UTC(2026, 9, 19));
    expect(await trial.worker.expire()).toEqual({ rawFrom: horizon });
    const oldest = async (): Promise<Date | undefined> =>
      (await trial.database.pool.query<{ oldest: Date }>('select min(occurred_at) as oldest from usage_events')).rows[0]?.oldest; // prettier-ignore
    expect((await oldest())?.getTime()).toBe(START - 2 * DAY_MS);
    await trial.worker.expire();
    expect((await oldest())?.getTime()).toBeGreaterThanOrEqual(horizon.getTime());

    await trial.database.pool.query(`insert into dirty_windows values ($1, $2)`, [ORGS[0], horizon]);
    trial.clock.milliseconds += DAY_MS;
    expect(await trial.worker.expire()).toEqual({ rawFrom: horizon });
    await trial.worker.refresh();
    expect(await trial.worker.expire()).toEqual({ rawFrom: new Date(horizon.getTime() + DAY_MS) });
    await trial.expectExact();
  });

  it('leaves a question that has begun the quarters of the hour that was open then', async () => {
    await trial.ingest(evenly(START - 4 * HOUR_MS, START, 300));
    // The hour before midnight is open, and the day ends while the question goes on.
    trial.clock.milliseconds = START - 30 * 60_000;
    await trial.worker.refresh();
    await inTransaction(trial.database.pool, async (question) => {
      await question.query('set transaction isolation level repeatable read');
      await question.query('select materialized_through from rollup_state');
      trial.clock.milliseconds = START;
      await trial.worker.refresh();
      await trial.worker.expire();
      const requestsOf = async (relation: string): Promise<unknown> =>
        (await question.query<{ requests: string }>(`select sum(requests) as requests from ${relation}`))
          .rows;
      expect(await requestsOf('latency_hourly')).toEqual(await requestsOf('usage_hourly'));
    });
  });

  it('announces from when on rollups are kept, and drops what lies below a run later', async () => {
    await trial.ingest(evenly(START - 2 * DAY_MS, START, 300));
    await trial.worker.refresh();
    trial.clock.milliseconds += 40 * DAY_MS;
    const requests = async (): Promise<number> => {
      const { rows } = await trial.database.pool.query<{ requests: string | null }>(
        'select sum(requests) as requests from usage_15min',
      );
      return Number(rows[0]?.requests ?? 0);
    };
    await trial.worker.expire();
    expect(await requests()).toBe(300);
    // Kept for 10 days, whole ones of UTC.
    const { keptFrom } = await trial.worker.state.read();
    expect(keptFrom.quarterHours).toEqual(new Date(Date.UTC(2026, 10, 19)));
    await trial.worker.expire();
    expect(await requests()).toBe(0);
  });

  it('stays exact while late events, refreshes and expiry of two processes run into each other', async () => {
    const other = workerOn(trial.database, trial.clock);
    const end = START + 4 * DAY_MS;
    const until = async (work: () => Promise<unknown>, pauseMs: number): Promise<void> => {
      while (trial.clock.milliseconds < end) {
        await work().catch((error: unknown) => {
          if (!isTransient(error)) throw error;
        });
        await sleep(pauseMs);
      }
    };
    try {
      await Promise.all([
        until(async () => Promise.resolve((trial.clock.milliseconds += QUARTER_HOUR_MS)), 20),
        ...[1, 2].map(() =>
          until(async () => {
            const { milliseconds: now } = trial.clock;
            const lateness = [0, 0, 60_000, HOUR_MS, 20 * HOUR_MS, 2 * DAY_MS];
            const instants = Array.from({ length: 20 }, () => now - Math.random() * pick(lateness));
            await trial.ingest(instants, Math.random() * 60);
          }, 0),
        ),
        ...[trial.worker, other].flatMap(({ refresh, expire }) => [until(refresh, 150), until(expire, 300)]),
      ]);
      await other.refresh();
      expect(await trial.dirty()).toBe('0');
      const rawFrom = (await trial.worker.expire())?.rawFrom as Date;
      expect(rawFrom.getTime()).toBeGreaterThan(START - DAY_MS);
      await trial.worker.expire();
      await trial.worker.engine.refresh([{ start: new Date(START - 10 * DAY_MS), end: new Date(end) }]);
      await trial.expectExact();
    } finally {
      await other.pool.end();
    }
  });
});
