import fc from 'fast-check';
import { closedBucketsWith, type CountedMemory } from '../support/closed-buckets';
import { comparable } from '../support/comparable-cells';
import { describeEachEngine } from '../support/engines';
import { NOTHING_DROPPED } from '../support/nothing-dropped';
import { relationBehind } from '../support/relation-behind';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';
import { OrgScope } from '../../src/access/principal';
import { ApiPool } from '../../src/platform/database/pools';
import { ReaggregationWorker } from '../../src/reaggregation/reaggregation-worker';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/shared/time-zone';
import { askSeries, type SeriesQuestion } from '../../src/aggregation/series-question';
import { SeriesReader } from '../../src/aggregation/series-reader';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const LIMITS = {
  rawRetention: 30 * DAY_MS,
  retention15min: 90 * DAY_MS,
  retentionHourly: 396 * DAY_MS,
  retentionDaily: 396 * DAY_MS,
  rawWindowLimit: 7 * DAY_MS,
  keptFrom: NOTHING_DROPPED,
  maxPoints: 10_000,
};
const ADMIN = { id: 'x', kind: 'api-key', roles: ['platform-admin'], orgId: null } as const;
const iso = (instant: number): string => new Date(instant).toISOString();

describeEachEngine('closed buckets', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let pool: ApiPool;
  let reader: SeriesReader;
  let memory: CountedMemory;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, { now: NOW });
    pool = new ApiPool(database.url, 4, 60_000);
    const { closedBuckets, memory: counted } = closedBucketsWith();
    reader = new SeriesReader(pool, closedBuckets);
    memory = counted;
    for (const orgId of [ORG_A, ORG_B])
      await ingest(
        orgId,
        Array.from({ length: 60 }, (_, index) => NOW.getTime() - index * HOUR_MS),
      );
    await service.refresh();
  });
  afterEach(async () => {
    await pool?.end();
    await service?.close();
    await database?.drop();
  });

  async function ingest(orgId: string, times: readonly number[]): Promise<void> {
    const events = times.map((time, index) =>
      usageEvent({
        orgId,
        occurredAt: iso(time),
        modelId: `model-${index % 3}`,
        latencyMs: 50 + ((index * 37) % 2_000),
      }),
    );
    expect((await service.send('POST', '/events', events)).status).toBe(202);
  }

  function question(parameters: Parameters<typeof askSeries>[0], percentiles: number[] = []): SeriesQuestion {
    return askSeries(parameters, { now: service.now, limits: LIMITS, platformWide: false, percentiles });
  }
  const lastTwoDays = () => question({ start: 'now-48h', end: 'now', granularity: 'hour' }, [50]);

  const read = (asked: SeriesQuestion, orgId = ORG_A, by = reader) =>
    by.readOrg(OrgScope.of(ADMIN, orgId) as OrgScope, asked);

  async function answer(...asking: Parameters<typeof read>) {
    const { kept, current, previous } = await read(...asking);
    return { kept, current: comparable(current), previous: previous && comparable(previous) };
  }

  /** By a reader that remembers nothing. */
  const forgetful = (asked: SeriesQuestion, orgId = ORG_A) =>
    answer(asked, orgId, new SeriesReader(pool, closedBucketsWith().closedBuckets));

  const requests = async (): Promise<number> =>
    Number((await read(lastTwoDays())).current.total.counts.requests);

  it('are read once, until a late event of their organisation in their window, or a rebuild', async () => {
    const before = await requests();
    expect([await requests(), memory.misses]).toEqual([before, 1]);

    await ingest(ORG_A, [NOW.getTime() - MINUTE_MS]);
    expect([await requests(), memory.misses]).toEqual([before + 1, 1]);

    await ingest(ORG_B, [NOW.getTime() - 5 * HOUR_MS]);
    await ingest(ORG_A, [NOW.getTime() - 60 * HOUR_MS]);
    await service.refresh();
    expect([await requests(), memory.misses]).toEqual([before + 1, 1]);

    await ingest(ORG_A, [NOW.getTime() - 5 * HOUR_MS]);
    // On plain PostgreSQL the finest rollups have it at once; nothing is remembered of what lies between.
    await requests();
    expect(memory.misses).toBe(1);
    await service.refresh();
    expect([await requests(), await requests(), memory.misses]).toEqual([before + 2, before + 2, 2]);

    const rollup = await relationBehind(database, 'org_usage_hourly');
    await database.pool.query(`update ${rollup} set requests = requests + 1 where bucket = $1`, [
      new Date(Date.UTC(2026, 10, 18, 3)),
    ]);
    const window = { start: iso(Date.UTC(2026, 10, 18)), end: iso(Date.UTC(2026, 10, 18, 9)) };
    const { body } = await service.send('POST', '/admin/reaggregations', { window });
    expect(await service.app.get(ReaggregationWorker).work(body.jobId)).toBe(true);
    expect([await requests(), memory.misses]).toEqual([before + 2, 3]);
  });

  it('are not remembered while a rebuild may still change them, also when it was cancelled', async () => {
    const rollup = await relationBehind(database, 'org_usage_hourly');
    /** As a step of a rebuild would, which commits by itself. */
    const mend = () =>
      database.pool.query(`update ${rollup} set requests = requests + 1 where bucket = $1 and org_id = $2`, [
        new Date(Date.UTC(2026, 10, 18, 3)),
        ORG_A,
      ]);
    const before = await requests();
    const window = { start: iso(Date.UTC(2026, 10, 18)), end: iso(Date.UTC(2026, 10, 18, 9)) };
    const { body } = await service.send('POST', '/admin/reaggregations', { window });
    await mend();
    expect(await requests()).toBe(before + 1);
    expect((await service.send('DELETE', `/admin/reaggregations/${body.jobId}`)).body.state).toBe(
      'cancelled',
    );
    expect(await requests()).toBe(before + 1);
    await mend();
    expect([await requests(), memory.misses]).toEqual([before + 2, 1]);
    await database.pool.query(`update reaggregations set finished_at = now() - interval '11 minutes'`);
    expect([await requests(), await requests(), memory.misses]).toEqual([before + 2, before + 2, 2]);
  });

  it('are told apart by everything that was asked', async () => {
    const start = iso(NOW.getTime() - 2 * DAY_MS);
    const asked = [
      question({ start, granularity: 'hour' }),
      question({ start, granularity: 'hour' }, [50]),
      question({ start, granularity: 'day' }),
      question({ start, granularity: 'day', timezone: 'Asia/Kathmandu' }),
      question({ start, granularity: 'hour', groupBy: ['model'] }),
      question({ start, granularity: 'hour', groupBy: ['model'], limit: 1 }),
      question({ start, granularity: 'hour', modelId: ['model-1'] }),
      question({ start, granularity: 'hour', modelId: ['model-0', 'model-1'] }),
      question({ start, granularity: 'hour', clientId: ['nobody'] }),
      question({ start, granularity: 'hour', compare: 'previous' }),
    ];
    const once = await Promise.all(asked.map((each) => forgetful(each)));
    for (const each of asked) await answer(each);
    const again = [];
    for (const each of asked) again.push(await answer(each));
    expect(again).toEqual(once);
    const { misses } = memory;
    await answer(question({ start, granularity: 'hour', modelId: ['model-1', 'model-0'] }));
    expect(memory.misses).toBe(misses);
    expect(await answer(asked[0] as SeriesQuestion, ORG_B)).toEqual(
      await forgetful(asked[0] as SeriesQuestion, ORG_B),
    );
  });

  it('never change an answer, whatever happens between two questions', async () => {
    const late = fc.record({
      does: fc.constant('late' as const),
      orgId: fc.constantFrom(ORG_A, ORG_B),
      minutesAgo: fc.integer({ min: 20, max: 70 * 60 }),
      count: fc.integer({ min: 1, max: 5 }),
    });
    const fresh = fc.record({ does: fc.constant('fresh' as const), orgId: fc.constantFrom(ORG_A, ORG_B) });
    const refresh = fc.record({ does: fc.constant('refresh' as const) });
    const wait = fc.record({ does: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 90 }) });
    let remembered = 0;
    const property = fc.asyncProperty(
      fc.array(fc.oneof(late, fresh, { weight: 2, arbitrary: refresh }, wait), {
        minLength: 4,
        maxLength: 8,
      }),
      async (happenings) => {
        for (const happening of happenings) {
          const now = service.now.getTime();
          if (happening.does === 'late')
            await ingest(
              happening.orgId,
              Array.from({ length: happening.count }, () => now - happening.minutesAgo * MINUTE_MS),
            );
          if (happening.does === 'fresh') await ingest(happening.orgId, [now - 1_000]);
          if (happening.does === 'refresh') await service.refresh();
          if (happening.does === 'wait') service.now = new Date(now + happening.minutes * MINUTE_MS);
          const asked = [
            lastTwoDays(),
            question({ start: 'now-3d', granularity: 'day', groupBy: ['model'], compare: 'previous' }),
          ];
          for (const each of asked) {
            const misses = memory.misses;
            expect([happenings, await answer(each)]).toEqual([happenings, await forgetful(each)]);
            if (memory.misses === misses) remembered += 1;
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 12 });
    expect(remembered).toBeGreaterThan(10);
  }, 240_000);
});
