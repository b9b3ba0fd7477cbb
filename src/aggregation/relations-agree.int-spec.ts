import fc from 'fast-check';
import { closedBucketsWith } from '../../test/support/closed-buckets';
import { comparable } from '../../test/support/comparable-cells';
import { describeEachEngine } from '../../test/support/engines';
import { NOTHING_DROPPED } from '../../test/support/nothing-dropped';
import { BIG_ORG, EVENTS, NOW, SMALL_ORG } from '../../test/support/recount';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { OrgScope } from '../access/principal';
import { ApiPool } from '../platform/database/pools';
import { AppError } from '../shared/errors';
import { DAY_MS, GRANULARITIES, HOUR_MS } from '../shared/time-zone';
import { type Demand, type Dimension, type Relation, relationsThatAnswer } from './choose-relation';
import { askSeries, type SeriesQuestion } from './series-question';
import { SeriesReader } from './series-reader';

const LIMITS = {
  rawRetention: 30 * DAY_MS,
  retention15min: 90 * DAY_MS,
  retentionHourly: 396 * DAY_MS,
  retentionDaily: 396 * DAY_MS,
  rawWindowLimit: 7 * DAY_MS,
  keptFrom: NOTHING_DROPPED,
  maxPoints: 100_000,
};
/** Whole hours, halves and quarters; a zone that is set by half an hour; UTC, where days are whole days of UTC, most often. */
const ZONES = fc.oneof(
  { weight: 3, arbitrary: fc.constant('UTC') },
  { weight: 2, arbitrary: fc.constantFrom('Europe/Berlin', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe') }, // prettier-ignore
  { weight: 1, arbitrary: fc.constantFrom(...Intl.supportedValuesOf('timeZone')) },
);
const QUESTIONS = fc.record({
  platformWide: fc.boolean(),
  orgId: fc.constantFrom<string>(BIG_ORG, SMALL_ORG),
  onlyOrg: fc.boolean(),
  // Short and recent ones are answered by most relations.
  days: fc.oneof(fc.double({ min: 0.05, max: 6, noNaN: true }), fc.double({ min: 6, max: 380, noNaN: true })),
  endedDaysAgo: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 25, noNaN: true })),
  granularity: fc.constantFrom(...GRANULARITIES),
  timezone: ZONES,
  groupBy: fc.subarray<Dimension>(['org', 'model', 'client']),
  modelId: fc.option(fc.subarray(['meta/llama-3-70b', '=cmd|calc', 'Zebra'], { minLength: 1 }), { freq: 3 }),
  clientId: fc.option(fc.subarray(['checkout', ''], { minLength: 1 }), { freq: 4 }),
  limit: fc.option(fc.integer({ min: 1, max: 4 })),
  orderBy: fc.constantFrom('requests' as const, 'totalTokens' as const, 'cost' as const),
});

/** Put in any case: answered by every relation there is. */
const OF_ALL = [false, true].flatMap((platformWide) =>
  (['hour', 'day'] as const).map((granularity) => ({
    platformWide,
    orgId: BIG_ORG,
    onlyOrg: false,
    days: 5,
    endedDaysAgo: 1,
    granularity,
    timezone: 'UTC',
    groupBy: [],
    modelId: null,
    clientId: null,
    limit: null,
    orderBy: 'requests' as const,
  })),
);

describeEachEngine('relations', (kind) => {
  let database: TestDatabase;
  let pool: ApiPool;
  let reader: SeriesReader;

  beforeAll(async () => {
    database = await rolledUpDatabase(kind, EVENTS, new Date(NOW.getTime() - 2 * HOUR_MS));
    pool = new ApiPool(database.url, 4, 60_000);
    reader = new SeriesReader(pool, closedBucketsWith().closedBuckets);
  });
  afterAll(async () => {
    await pool?.end();
    await database?.drop();
  });

  function scopeOf(orgId: string): OrgScope {
    const admin = { id: 'x', kind: 'api-key', roles: ['platform-admin'], orgId: null } as const;
    return OrgScope.of(admin, orgId) as OrgScope;
  }

  async function answerOf(
    question: SeriesQuestion,
    relations: { counts: Relation; latencies: Relation | null },
    orgId: string | null,
  ): Promise<unknown> {
    const asked = { ...question, current: { ...question.current, ...relations } };
    const cells = await (orgId === null ? reader.readPlatform(asked) : reader.readOrg(scopeOf(orgId), asked));
    return { kept: cells.kept, ...comparable(cells.current) };
  }

  it('that may answer a question all give the same answer, cell by cell', async () => {
    const seen = new Map<string, number>();
    const property = fc.asyncProperty(
      QUESTIONS,
      async ({
        platformWide,
        orgId,
        onlyOrg,
        days,
        endedDaysAgo,
        groupBy: asked,
        modelId,
        clientId,
        limit,
        ...rest
      }) => {
        const end = NOW.getTime() - endedDaysAgo * DAY_MS;
        const groupBy = asked.filter((dimension) => platformWide || dimension !== 'org');
        const parameters = {
          ...rest,
          groupBy,
          start: String(Math.round(end - days * DAY_MS)),
          end: String(Math.round(end)),
          ...(modelId && { modelId }),
          ...(clientId && { clientId }),
          ...(platformWide && onlyOrg && { orgId: [orgId] }),
          ...(limit !== null && { limit }),
        };
        let question: SeriesQuestion;
        try {
          question = askSeries(parameters, { now: NOW, limits: LIMITS, platformWide, percentiles: [] });
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          return;
        }
        const dimensions = new Set<Dimension>(groupBy);
        if (modelId) dimensions.add('model');
        if (clientId) dimensions.add('client');
        if (platformWide && onlyOrg) dimensions.add('org');
        const those = (of: Demand['of']) =>
          relationsThatAnswer(
            { of, buckets: question.current.buckets, dimensions, platformWide },
            LIMITS,
            NOW,
          );
        const [counts, latencies] = [those('counts'), those('latencies')];
        const [cheapest] = counts;
        expect(cheapest).toBe(question.current.counts);
        const org = platformWide ? null : orgId;
        const ask = (relation: Relation, sketch: Relation | null) =>
          answerOf(question, { counts: relation, latencies: sketch }, org);
        const first = await ask(counts[0] as Relation, latencies[0] ?? null);
        for (const relation of counts.slice(1)) {
          expect(await ask(relation, latencies[0] ?? null)).toEqual(first);
          count(`${counts[0]} ${relation}`);
        }
        for (const sketch of latencies.slice(1)) {
          expect(await ask(counts[0] as Relation, sketch)).toEqual(first);
          count(`${latencies[0]} ${sketch}`);
        }
      },
    );
    const count = (pair: string): void => void seen.set(pair, (seen.get(pair) ?? 0) + 1);
    await fc.assert(property, { numRuns: 60, examples: OF_ALL.map((question) => [question]) });
    // Each rollup was held against another relation, and each kind of question against single events.
    const compared = new Set([...seen.keys()].flatMap((pair) => pair.split(' ')));
    expect([...compared].sort()).toEqual(
      ['latency_daily', 'latency_hourly', 'model_latency_daily', 'model_latency_hourly', 'org_latency_daily', 'org_latency_hourly', 'org_usage_15min', 'org_usage_daily', 'org_usage_hourly', 'platform_latency_daily', 'platform_latency_hourly', 'usage_15min', 'usage_daily', 'usage_events', 'usage_hourly'], // prettier-ignore
    );
  }, 120_000);
});
