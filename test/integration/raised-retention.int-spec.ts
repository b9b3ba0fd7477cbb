import { ExportWorker } from '../../src/exports/export-worker';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, usageEvent } from '../support/usage-events';

const NOW = Date.UTC(2026, 10, 18, 10, 23, 45);
const LATER = new Date(NOW + 25 * DAY_MS);
const SHORT = {
  LATE_HORIZON: '2d',
  DEDUPE_WINDOW: '1d',
  RAW_WINDOW_LIMIT: '2d',
  RAW_RETENTION: '3d',
  RETENTION_15MIN: '10d',
  RETENTION_HOURLY: '20d',
  RETENTION_DAILY: '20d',
};
const RAISED = {
  ...SHORT,
  RAW_RETENTION: '40d',
  RETENTION_15MIN: '40d',
  RETENTION_HOURLY: '60d',
  RETENTION_DAILY: '60d',
};
const WINDOW = 'start=2026-11-17T18:30:00Z&end=2026-11-18T18:30:00Z';
const EXPORT = {
  window: { start: '2026-11-17T18:30:00Z', end: '2026-11-18T18:30:00Z' },
  timezone: 'Asia/Kolkata',
};

describeEachEngine('what a shorter retention has dropped', (kind) => {
  let database: TestDatabase;
  let before: TrialService;
  let raised: TrialService;
  const jobs: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase(kind);
    before = await startTrial(database, { now: new Date(NOW), settings: SHORT });
    const events = Array.from({ length: 12 }, (_, hour) =>
      usageEvent({ orgId: ORG_A, occurredAt: new Date(NOW - hour * HOUR_MS).toISOString() }),
    );
    expect((await before.send('POST', '/events', events)).status).toBe(202);
    await before.refresh();
    raised = await startTrial(database, { now: LATER, settings: RAISED });
    for (const granularity of ['hourly', 'events']) {
      const { status, body } = await raised.send('POST', `/orgs/${ORG_A}/exports`, {
        ...EXPORT,
        granularity,
      });
      expect([status, body.detail]).toEqual([202, undefined]);
      jobs.push(body.jobId as string);
    }
    before.now = LATER;
    await before.refresh();
    for (let run = 0; run < 2; run += 1) await before.expire();
    await raised.close();
    raised = await startTrial(database, { now: LATER, settings: RAISED });
  });
  afterAll(async () => {
    await before?.close();
    await raised?.close();
    await database?.drop();
  });

  it.each([
    `usage?${WINDOW}&granularity=minute`,
    `usage?${WINDOW}&granularity=15min`,
    `usage?${WINDOW}&granularity=hour`,
    `usage?${WINDOW}&granularity=day`,
    `reliability?${WINDOW}&granularity=hour`,
    `errors?${WINDOW}`,
    `models?${WINDOW}`,
    `certificate?${WINDOW}`,
  ])('stays gone when it is raised: %s is refused', async (question) => {
    const { status, body } = await raised.send('GET', `/orgs/${ORG_A}/${question}`);
    expect([status, body.errors]).toEqual([422, expect.arrayContaining([expect.objectContaining({ parameter: 'start' })])]); // prettier-ignore
  });

  it('takes nothing from what is younger', async () => {
    for (const granularity of ['15min', 'hour', 'day']) {
      const start = granularity === '15min' ? '2026-12-03' : '2026-11-23';
      const path = `/orgs/${ORG_A}/usage?start=${start}&end=2026-12-13&granularity=${granularity}`;
      expect([granularity, (await raised.send('GET', path)).status]).toEqual([granularity, 200]);
    }
  });

  it('is refused as a file, and one that was asked for before fails', async () => {
    for (const granularity of ['hourly', 'events']) {
      const { status } = await raised.send('POST', `/orgs/${ORG_A}/exports`, { ...EXPORT, granularity });
      expect([granularity, status]).toEqual([granularity, 422]);
    }
    for (const jobId of jobs) {
      await raised.app.get(ExportWorker).work(jobId);
      const { body } = await raised.send('GET', `/orgs/${ORG_A}/exports/${jobId}`);
      expect(body).toMatchObject({ state: 'failed', failure: expect.stringContaining('are kept from') });
    }
  });
});
