import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { verify } from '../../src/certificates/verification';
import { StorageEngine } from '../../src/platform/database/storage-engine';
import { ReaggregateUsageCommand } from '../../src/reaggregation/commands/reaggregate-usage.command';
import { Reaggregations } from '../../src/reaggregation/reaggregations.repository';
import { ReaggregationWorker } from '../../src/reaggregation/reaggregation-worker';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { relationBehind } from '../support/relation-behind';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const TODAY = Date.UTC(2026, 10, 18);
const iso = (instant: number): string => new Date(instant).toISOString();
const PATH = '/admin/reaggregations';

describeEachEngine('re-aggregation', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let worker: ReaggregationWorker;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, {
      now: NOW,
      principals: { viewer: { orgId: ORG_A, roles: ['org-admin'] } },
    });
    worker = service.app.get(ReaggregationWorker);
    await ingest(
      ...[ORG_A, ORG_B].flatMap((orgId) =>
        Array.from({ length: 120 }, (_, index) =>
          usageEvent({
            orgId,
            occurredAt: iso(TODAY - 6 * DAY_MS + index * 1.2 * HOUR_MS),
            latencyMs: index * 40,
          }),
        ),
      ),
    );
    await service.refresh();
  });
  afterEach(async () => {
    await service?.close();
    await database?.drop();
  });

  async function ingest(...events: unknown[]): Promise<void> {
    expect((await service.send('POST', '/events', events)).status).toBe(202);
  }
  const request = (window: object, rest: object = {}) => service.send('POST', PATH, { window, ...rest });
  const differing = async (): Promise<number> =>
    (await verify(database.pool, { now: NOW, orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, lateHorizon: 7 * DAY_MS, listed: 1 })).differing; // prettier-ignore

  it('repairs what was planted in every rollup, and says how far it is and what it read', async () => {
    for (const rollup of [
      'usage_15min',
      'usage_hourly',
      'usage_daily',
      // Views on plain PostgreSQL.
      ...(kind === 'timescale' ? ['org_usage_15min', 'org_latency_hourly', 'org_latency_daily', 'platform_latency_hourly', 'platform_latency_daily'] : []), // prettier-ignore
      'org_usage_hourly',
      'org_usage_daily',
      'latency_hourly',
      'latency_daily',
      'model_latency_hourly',
      'model_latency_daily',
    ]) {
      const name = await relationBehind(database, rollup);
      await database.pool.query(
        `update ${name} set requests = requests + 1 where bucket >= $1 and bucket < $2`,
        [new Date(TODAY - 4 * DAY_MS), new Date(TODAY - 2 * DAY_MS)],
      );
    }
    expect(await differing()).toBeGreaterThan(5);
    const window = { start: iso(TODAY - 4 * DAY_MS), end: iso(TODAY - 2 * DAY_MS) };
    const { status, headers, body } = await request(window);
    expect([status, headers['location']]).toEqual([202, `/analytics/v1${PATH}/${body.jobId}`]);
    expect(body).toMatchObject({
      state: 'pending',
      window: { start: iso(TODAY - 4 * DAY_MS), end: iso(TODAY - 2 * DAY_MS) },
      orgId: null,
      requestedBy: 'reader',
      progress: { rowsRead: 0, bucketsRebuilt: 0, bucketsTotal: 48 },
    });
    expect(await worker.work(body.jobId)).toBe(true);
    const { body: done } = await service.send('GET', `${PATH}/${body.jobId}`);
    expect(done).toMatchObject({
      state: 'succeeded',
      progress: { rowsRead: 80, bucketsRebuilt: 48, bucketsTotal: 48, rebuiltThrough: window.end },
      failure: null,
      attempt: 1,
    });
    expect(await differing()).toBe(0);
    // Again: nothing changes.
    const again = await request(window);
    expect(again.body.jobId).not.toBe(body.jobId);
    await worker.work();
    expect(await differing()).toBe(0);
  });

  it('repairs hours that are not closed yet, beside batches that write to them', async () => {
    const hour = Math.floor(NOW.getTime() / HOUR_MS) * HOUR_MS;
    await ingest(
      usageEvent({ occurredAt: iso(hour + 60_000) }),
      usageEvent({ occurredAt: iso(hour + 60_000) }),
    );
    await service.refresh();
    if (kind === 'postgres') {
      await database.pool.query('update usage_15min set requests = requests + 7 where bucket = $1', [
        new Date(hour),
      ]);
      await database.pool.query('update latency_hourly set requests = requests + 7 where bucket = $1', [
        new Date(hour),
      ]);
      expect(await differing()).toBe(6);
    }
    const { body } = await request({ start: 'now-1h', end: 'now' });
    let writing = true;
    const batches = (async () => {
      for (; writing; await sleep(5))
        await ingest(...Array.from({ length: 20 }, () => usageEvent({ occurredAt: iso(hour + Math.floor(Math.random() * 1_000_000)) }))); // prettier-ignore
    })();
    await sleep(100);
    await worker.work(body.jobId);
    await sleep(100);
    writing = false;
    await batches;
    await service.refresh();
    expect((await service.send('GET', `${PATH}/${body.jobId}`)).body.state).toBe('succeeded');
    expect(await differing()).toBe(0);
  });

  it('leaves every answer right while it runs, also with late events arriving', async () => {
    const start = iso(TODAY - 6 * DAY_MS);
    const ask = async (granularity: string): Promise<number> => {
      const { body } = await service.send('GET', `/orgs/${ORG_A}/usage?start=${start}&end=${iso(TODAY)}&granularity=${granularity}`); // prettier-ignore
      return body.totals.requests;
    };
    const settled = await ask('day');
    const { body } = await request({ start, end: iso(TODAY) });
    let running = true;
    const work = worker.work(body.jobId).finally(() => (running = false));
    const seen: number[] = [];
    while (running) for (const granularity of ['15min', 'hour', 'day']) seen.push(await ask(granularity));
    await work;
    expect(seen.length).toBeGreaterThan(3);
    expect(new Set(seen)).toEqual(new Set([settled]));

    const second = await request({ start, end: iso(TODAY) });
    const both = worker.work(second.body.jobId);
    for (let index = 0; index < 20; index += 1)
      await ingest(usageEvent({ occurredAt: iso(TODAY - 6 * DAY_MS + index * 7 * HOUR_MS + 1) }));
    await both;
    await service.refresh();
    expect(await ask('day')).toBe(settled + 20);
    expect(await differing()).toBe(0);
  });

  it('goes on where its worker died, and ignores what that says later', async () => {
    const { body } = await request({ start: iso(TODAY - 5 * DAY_MS), end: iso(TODAY - 2 * DAY_MS) });
    const jobs = service.app.get(Reaggregations);
    const dead = await jobs.claim('dead', body.jobId);
    expect(await jobs.advance(dead!, new Date(TODAY - 4 * DAY_MS), '40')).toBe(true);
    expect(await worker.work()).toBe(false);
    await database.pool.query(`update reaggregations set heartbeat_at = now() - interval '31 seconds'`);
    const rebuild = jest.spyOn(service.app.get(StorageEngine), 'rebuild');
    expect(await worker.work()).toBe(true);
    expect(rebuild.mock.calls.map(([{ start }]) => start.getTime())).toEqual([
      TODAY - 4 * DAY_MS,
      TODAY - 3 * DAY_MS,
    ]);
    const done = await jobs.find(body.jobId);
    expect(done).toMatchObject({ state: 'succeeded', attempt: 2 });
    expect([await jobs.advance(dead!, new Date(TODAY - 3 * DAY_MS), '1'), await jobs.succeed(dead!)]).toEqual(
      [false, false],
    );
    expect(await jobs.find(body.jobId)).toEqual(done);
  });

  it('ends after the day it is at when it is cancelled', async () => {
    const { body } = await request({ start: iso(TODAY - 6 * DAY_MS), end: iso(TODAY) });
    const engine = service.app.get(StorageEngine);
    const rebuild = engine.rebuild.bind(engine);
    jest.spyOn(engine, 'rebuild').mockImplementation(async (...args) => {
      await rebuild(...args);
      const { status } = await service.send('DELETE', `${PATH}/${body.jobId}`);
      expect(status).toBe(200);
    });
    await worker.work(body.jobId);
    const { body: ended } = await service.send('GET', `${PATH}/${body.jobId}`);
    expect(ended).toMatchObject({ state: 'cancelled', progress: { bucketsRebuilt: 0 } });
    expect((await service.send('DELETE', `${PATH}/${body.jobId}`)).status).toBe(200);
    expect(engine.rebuild).toHaveBeenCalledTimes(1);
  });

  it('that ends between its steps leaves no rollup that was made from what it has mended', async () => {
    const day = TODAY - 4 * DAY_MS;
    for (const rollup of ['usage_15min', 'usage_hourly', 'usage_daily'])
      await database.pool.query(
        `update ${await relationBehind(database, rollup)} set requests = requests + 1 where bucket >= $1 and bucket < $2`,
        [new Date(day), new Date(day + HOUR_MS)],
      );
    expect(await differing()).toBeGreaterThan(0);
    const { body } = await request({ start: iso(day), end: iso(day + DAY_MS) });
    const engine = service.app.get(StorageEngine);
    const rebuild = engine.rebuild.bind(engine);
    const ending = new AbortController();
    let steps = 0;
    jest.spyOn(engine, 'rebuild').mockImplementation((window, orgId, signal) => {
      const throwIfAborted = () => {
        if (steps === 1) ending.abort();
        signal?.throwIfAborted();
        steps += 1;
      };
      return rebuild(window, orgId, { throwIfAborted } as AbortSignal);
    });
    const job = await service.app.get(Reaggregations).claim('w', body.jobId);
    if (!job) throw new Error('The job cannot be claimed.');
    expect(await service.commands.execute(new ReaggregateUsageCommand(job, ending.signal))).toBe('released');
    expect(steps).toBe(1);
    expect((await service.send('DELETE', `${PATH}/${body.jobId}`)).body.state).toBe('cancelled');
    expect(await differing()).toBe(0);
  });

  it('is tried again when the database is busy, and given up with a sentence after ten failures', async () => {
    const { body } = await request({ start: 'now-2d', end: 'now-1d' });
    jest.spyOn(service.app.get(StorageEngine), 'rebuild').mockRejectedValue(Object.assign(new Error('x'), { code: '55P03', severity: 'ERROR' })); // prettier-ignore
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await worker.work(body.jobId);
      await database.pool.query('update reaggregations set available_at = now()');
    }
    const { body: ended } = await service.send('GET', `${PATH}/${body.jobId}`);
    expect(ended).toMatchObject({ state: 'failed', attempt: 10, failure: 'The database was busy or away.' });
    expect((await service.send('DELETE', `${PATH}/${body.jobId}`)).status).toBe(409);
  });

  it('answers the open job to who asks for the same again, and lists all, newest first', async () => {
    const window = { start: 'now-2d', end: 'now-1d' };
    const answers = await Promise.all(Array.from({ length: 5 }, () => request(window)));
    expect(new Set(answers.map(({ body }) => body.jobId)).size).toBe(1);
    const ofOrg = await request(window, { orgId: ORG_A.toUpperCase() });
    expect(ofOrg.body).toMatchObject({ orgId: ORG_A });
    const { body: first } = await service.send('GET', `${PATH}?limit=1`);
    expect(first.reaggregations[0].jobId).toBe(ofOrg.body.jobId);
    const { body: second } = await service.send('GET', `${PATH}?limit=1&cursor=${first.nextCursor}`);
    expect([second.reaggregations[0].jobId, second.nextCursor]).toEqual([answers[0]?.body.jobId, null]);
    await worker.drain();
    await eventually(async () => expect((await service.send('GET', `${PATH}?state=succeeded`)).body.reaggregations).toHaveLength(2)); // prettier-ignore
  });

  it('is refused where the events are gone, with the dates that are possible, and touches nothing there', async () => {
    const early = await request({ start: '2026-10-01', end: '2026-10-02' });
    expect([early.status, early.headers['content-type']]).toEqual([422, 'application/problem+json']);
    expect(early.body.detail).toContain(`from ${iso(TODAY - 29 * DAY_MS)} to ${NOW.toISOString()}`);
    service.now = new Date(NOW.getTime() + 40 * DAY_MS);
    await service.refresh();
    await service.expire();
    await service.expire();
    const gone = await request({ start: iso(TODAY - 2 * DAY_MS), end: iso(TODAY) });
    expect([gone.status, gone.body.errors]).toEqual([
      422,
      [{ pointer: '/window/start', detail: `must be ${iso(TODAY + 10 * DAY_MS)} or later.` }],
    ]);
    // Even the engine itself leaves it alone.
    const path = `/orgs/${ORG_A}/usage?start=${iso(TODAY - 6 * DAY_MS)}&end=${iso(TODAY)}&granularity=day`;
    const before = (await service.send('GET', path)).body.totals;
    const window = { start: new Date(TODAY - 6 * DAY_MS), end: new Date(TODAY + 10 * DAY_MS) };
    await service.app.get(StorageEngine).rebuild(window, null);
    expect((await service.send('GET', path)).body.totals).toEqual(before);
  });

  it.each([
    [{}, '/window'],
    [{ window: 'today' }, '/window'],
    [{ window: {} }, '/window/start'],
    [{ window: { start: 'yesterday', end: 'now' } }, '/window/start'],
    [{ window: { start: 'now-1d', end: 'soon' } }, '/window/end'],
    [{ window: { start: 'now-1d', end: 'now-1d' } }, '/window/end'],
    [{ window: { start: 'now-1d', end: 'now-2d' } }, '/window/end'],
    [{ window: { start: 'now-1d', end: 'now+1h' } }, '/window/end'],
    [{ window: { start: 'now-1d', end: 'now' }, orgId: '7' }, '/orgId'],
    [{ window: { start: 'now-1d', end: 'now' }, timezone: 'Mars' }, '/timezone'],
    [{ window: { start: 'now-1d', end: 'now' }, force: true }, '/force'],
  ])('refuses %j with what would do', async (body, pointer) => {
    const answer = await service.send('POST', PATH, body);
    expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/problem+json']);
    expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringMatching(/must|known/) });
  });

  it('is for operators', async () => {
    expect((await service.send('GET', `${PATH}/7`)).body.errors[0].parameter).toBe('jobId');
    expect((await service.send('GET', `${PATH}/${randomUUID()}`)).status).toBe(404);
    expect((await service.send('GET', `${PATH}?state=done`)).body.errors[0].parameter).toBe('state');
    for (const method of ['GET', 'POST'] as const)
      expect(
        (await service.send(method, PATH, method === 'POST' ? {} : undefined, keyOf('viewer'))).status,
      ).toBe(403);
  });
});
