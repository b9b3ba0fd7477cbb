import fc from 'fast-check';
import { describeEachEngine } from '../../test/support/engines';
import { type Reading, startReading } from '../../test/support/reading';
import { units } from '../../test/support/exported-rows';
import { BIG_ORG, EVENTS, eventsByRow, eventsWithin, NOW, percentileOf, QUIET_ORG, reliabilityOf, rowKey, SHAPE, SMALL_ORG, usageOf } from '../../test/support/recount'; // prettier-ignore
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { bucketsCovering } from '../shared/time-window';
import { DAY_MS, GRANULARITIES, HOUR_MS, TimeZone } from '../shared/time-zone';

const ZONES = fc.oneof(
  fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Chatham'), // prettier-ignore
  fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
);
const QUESTIONS = fc.record({
  orgId: fc.constantFrom(BIG_ORG, SMALL_ORG),
  days: fc.oneof(fc.double({ min: 0.01, max: 7, noNaN: true }), fc.double({ min: 7, max: 390, noNaN: true })),
  endedDaysAgo: fc.double({ min: -0.1, max: 30, noNaN: true }),
  granularity: fc.constantFrom(...GRANULARITIES, 'auto' as const),
  timezone: ZONES,
  groupBy: fc.subarray(['model', 'client', 'status'] as const),
  modelId: fc.option(fc.subarray(['meta/llama-3-70b', 'mistral/large', 'Zebra'], { minLength: 1 })),
  clientId: fc.option(fc.subarray(['checkout', 'search'], { minLength: 1 }), { freq: 4 }),
});
type Row = { time: string; modelId?: string; clientId?: string | null; isOther?: boolean; requests: number };

describeEachEngine('series', (kind) => {
  let database: TestDatabase;
  let reading: Reading;

  beforeAll(async () => {
    database = await rolledUpDatabase(kind, EVENTS, new Date(NOW.getTime() - 2 * HOUR_MS));
    reading = await startReading(database, NOW);
  });
  afterAll(async () => {
    await reading?.close();
    await database?.drop();
  });

  async function ask(path: string, parameters: Record<string, unknown>) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) search.set(name, String(value));
    return reading.get(`${path}?${search.toString()}`);
  }

  /** Puts questions at random; those that can be answered are checked row by row, at least `least` of them. */
  async function compareWithRecount(
    topic: string,
    expected: (events: ReturnType<typeof eventsWithin>) => object,
    { runs, least }: { runs: number; least: number },
  ): Promise<void> {
    let answered = 0;
    const property = fc.asyncProperty(QUESTIONS, async (question) => {
      const { orgId, days, endedDaysAgo, granularity, timezone, groupBy, modelId, clientId } = question;
      const end = NOW.getTime() - endedDaysAgo * DAY_MS;
      const { status, body } = await ask(`/orgs/${orgId}/${topic}`, {
        start: Math.round(end - days * DAY_MS),
        end: Math.round(end),
        granularity,
        timezone,
        groupBy,
        modelId: modelId ?? '',
        clientId: clientId ?? '',
        ...(topic === 'reliability' && { percentile: '50,95,99.9' }),
      });
      if (status === 422) return;
      expect(status).toBe(200);
      answered += 1;
      const events = eventsWithin(orgId, body.window)
        .filter((event) => modelId?.includes(event.modelId) ?? true)
        .filter((event) => clientId?.includes(event.clientId) ?? true);
      const zone = TimeZone.named(timezone) as TimeZone;
      const wanted = eventsByRow(events, body.window.granularity, zone, groupBy);
      if (events.length > 0) expect(body.totals).toEqual(expected(events));
      const rows = new Map<string, Row>(body.series.map((row: Row) => [rowKey(row, groupBy), row]));
      expect(rows.size).toBe(body.series.length);
      expect([...rows.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const [key, ofRow] of wanted) expect(rows.get(key)).toMatchObject(expected(ofRow));
      const times = body.series.map(({ time }: Row) => time);
      expect(times).toEqual([...times].sort());
    });
    await fc.assert(property, { numRuns: runs });
    expect(answered).toBeGreaterThanOrEqual(least);
  }

  it('say of usage what a recount of the events says, in every zone, granularity and grouping', async () => {
    await compareWithRecount('usage', usageOf, { runs: 100, least: 30 });
  });

  it('say of reliability what a recount says, with percentiles of the same bins whatever answers', async () => {
    await compareWithRecount('reliability', (events) => reliabilityOf(events, [50, 95, 99.9]), { runs: 80, least: 10 }); // prettier-ignore
  });

  it('keep every total whatever limit leaves out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(['model', 'client'] as const, { minLength: 1 }),
        fc.constantFrom('requests', 'totalTokens', 'cost'),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('15min', 'hour', 'day', 'week', 'month'),
        ZONES,
        async (groupBy, orderBy, limit, granularity, timezone) => {
          const parameters = { start: 'now-5d', granularity, groupBy, timezone };
          const whole = (await ask(`/orgs/${BIG_ORG}/usage`, parameters)).body;
          const limited = (await ask(`/orgs/${BIG_ORG}/usage`, { ...parameters, limit, orderBy })).body;
          expect(limited.totals).toEqual(whole.totals);
          const requestsOf = (rows: Row[]) => rows.reduce((total, { requests }) => total + requests, 0);
          expect(requestsOf(limited.series)).toBe(whole.totals.requests);
          const groupOf = ({ modelId, clientId }: Row) => JSON.stringify([modelId, clientId]);
          const sums = new Map<string, number>();
          for (const row of whole.series)
            sums.set(groupOf(row), (sums.get(groupOf(row)) ?? 0) + row[orderBy]);
          const kept = new Set<string>(limited.series.filter(({ isOther }: Row) => !isOther).map(groupOf));
          expect(kept.size).toBe(Math.min(limit, sums.size));
          const of = (isKept: boolean) => [...sums].filter(([group]) => kept.has(group) === isKept).map(([, sum]) => sum); // prettier-ignore
          expect(Math.min(...of(true))).toBeGreaterThanOrEqual(Math.max(...of(false)) - 1e-6);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('of the days of a month add up to the month, in every zone of the tz database', async () => {
    const october = { start: Date.UTC(2026, 9, 15), end: Date.UTC(2026, 9, 16) };
    const asked = new Set<string>();
    for (const timezone of Intl.supportedValuesOf('timeZone')) {
      const zone = TimeZone.named(timezone) as TimeZone;
      const month = bucketsCovering(october, 'month', zone);
      // Zones with the same days put the same questions to the database.
      const days = bucketsCovering(month, 'day', zone).starts.join();
      if (asked.has(days)) continue;
      asked.add(days);
      const parameters = { start: month.start, end: month.end, timezone, groupBy: 'model' };
      const [byDay, byMonth] = await Promise.all(
        ['day', 'month'].map((granularity) => ask(`/orgs/${BIG_ORG}/usage`, { ...parameters, granularity })),
      );
      expect(byMonth?.body.window).toMatchObject({ start: iso(month.start), end: iso(month.end) });
      expect(byDay?.body.totals).toEqual(byMonth?.body.totals);
      const sums = new Map<string, { requests: number; cost: bigint }>();
      for (const { modelId, requests, costExact } of byDay?.body.series ?? []) {
        const sum = sums.get(modelId) ?? { requests: 0, cost: 0n };
        sums.set(modelId, { requests: sum.requests + requests, cost: sum.cost + units(costExact) });
      }
      const months = byMonth?.body.series.map(({ modelId, requests, costExact }: { modelId: string; requests: number; costExact: string }) => [modelId, { requests, cost: units(costExact) }]); // prettier-ignore
      expect(sums).toEqual(new Map(months));
    }
    expect(asked.size).toBeGreaterThan(25);
  });

  it('fold what limit leaves out into one group, percentiles included', async () => {
    const { body } = await ask(`/orgs/${BIG_ORG}/reliability`, { start: 'now-5d', granularity: 'month', groupBy: 'model', limit: 2 }); // prettier-ignore
    const isOther = (row: Row) => row.isOther === true;
    const kept = new Set(body.series.filter((row: Row) => !isOther(row)).map(({ modelId }: Row) => modelId));
    expect(body.series.some(isOther)).toBe(true);
    for (const row of body.series.filter(isOther)) {
      const events = eventsWithin(BIG_ORG, { start: row.time, end: row.end }).filter(({ modelId }) => !kept.has(modelId)); // prettier-ignore
      expect(row).toMatchObject({
        modelId: 'other',
        requests: events.length,
        p95Ms: percentileOf(events, 95),
      });
    }
  });

  it('have a row of zeros for each group and begun bucket without requests when asked to fill', async () => {
    const { body } = await ask(`/orgs/${SMALL_ORG}/usage`, { start: 'now-26h', end: 'now+1d', granularity: 'hour', groupBy: 'model,client', fill: 'zero' }); // prettier-ignore
    const groups = new Set(
      body.series.map(({ modelId, clientId }: Row) => JSON.stringify([modelId, clientId])),
    );
    expect(body.series).toHaveLength(groups.size * 27);
    expect(body.series.at(-1).time).toBe('2026-11-05T13:00:00.000Z');
    expect(body.series.filter(({ requests }: Row) => requests === 0).length).toBeGreaterThan(10);
    const quiet = await ask(`/orgs/${QUIET_ORG}/reliability`, {
      start: 'now-2h',
      granularity: 'hour',
      fill: 'zero',
    });
    expect(quiet.body.series).toHaveLength(3);
    expect(quiet.body.series[0]).toMatchObject({
      requests: 0,
      errorRate: null,
      latencyMeanMs: null,
      p95Ms: null,
    });
  });

  it('have no rows and totals of zero for an organisation without events', async () => {
    const { status, body } = await ask(`/orgs/${QUIET_ORG}/usage`, {});
    expect(status).toBe(200);
    expect(body).toMatchObject({ series: [], totals: { requests: 0, cost: 0, costExact: '0' }, currency: 'USD', nextCursor: null }); // prettier-ignore
  });

  it('compare with as many buckets directly before', async () => {
    const { body } = await ask(`/orgs/${BIG_ORG}/usage`, { start: '2026-10-20', end: '2026-10-27', granularity: 'day', timezone: 'Europe/Berlin', compare: 'previous' }); // prettier-ignore
    const { compare } = body;
    expect(body.window.end).toBe('2026-10-26T23:00:00.000Z');
    expect(compare.window).toMatchObject({
      start: '2026-10-12T22:00:00.000Z',
      end: '2026-10-19T22:00:00.000Z',
    });
    expect(compare.totals).toEqual(usageOf(eventsWithin(BIG_ORG, compare.window)));
    expect(compare.series[0]).toMatchObject({
      time: body.series[0].time,
      comparedTime: compare.window.start,
    });
    expect(compare.change.requests).toBeCloseTo(body.totals.requests / compare.totals.requests - 1, 5);

    const [start, end] = [1, 2].map((days) => new Date(NOW.getTime() + days * DAY_MS).toISOString());
    const silent = await ask(`/orgs/${BIG_ORG}/reliability`, { start, end, granularity: 'day', compare: 'previous' }); // prettier-ignore
    expect(silent.body.compare.totals.requests).toBeGreaterThan(0);
    expect(silent.body.compare.change).toEqual({ requests: -1, errorRate: null, latencyMeanMs: null });
  });

  it('say of all organisations what they say of each', async () => {
    const parameters = { start: 'now-5d', granularity: 'day' };
    const { body } = await ask('/usage', { ...parameters, groupBy: 'org' });
    for (const orgId of [BIG_ORG, SMALL_ORG]) {
      const single = await ask(`/orgs/${orgId}/usage`, parameters);
      const rows = body.series.filter((row: { orgId: string }) => row.orgId === orgId);
      expect(rows).toEqual(single.body.series.map((row: Row) => ({ ...row, orgId })));
      const reliability = await ask(`/orgs/${orgId}/reliability`, parameters);
      const filtered = await ask('/reliability', { ...parameters, orgId });
      expect(filtered.body.series).toEqual(reliability.body.series);
      expect(filtered.body.totals).toEqual(reliability.body.totals);
    }
  });

  it('keep organisations apart', async () => {
    const { body } = await ask(`/orgs/${SMALL_ORG}/usage`, { start: 'now-360d', granularity: 'month' });
    expect(body.totals).toEqual(usageOf(eventsWithin(SMALL_ORG, body.window)));
    expect(SHAPE.orgIds).toContain(BIG_ORG);
  });
});

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
