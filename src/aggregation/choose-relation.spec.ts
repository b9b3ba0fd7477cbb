import fc from 'fast-check';
import { NOTHING_DROPPED } from '../../test/support/nothing-dropped';
import { AppError } from '../shared/errors';
import { bucketsCovering } from '../shared/time-window';
import { DAY_MS, GRANULARITIES, HOUR_MS, MINUTE_MS, TimeZone } from '../shared/time-zone';
import { chooseRelation, type Demand, type Dimension, wholeSince } from './choose-relation';

const NOW = new Date('2026-11-05T13:37:12.345Z');
const LIMITS = {
  rawRetention: 30 * DAY_MS,
  retention15min: 90 * DAY_MS,
  retentionHourly: 396 * DAY_MS,
  retentionDaily: 396 * DAY_MS,
  rawWindowLimit: 7 * DAY_MS,
  keptFrom: NOTHING_DROPPED,
};
const GRAINS = {
  org_usage_daily: DAY_MS,
  org_usage_hourly: HOUR_MS,
  model_latency_daily: DAY_MS,
  model_latency_hourly: HOUR_MS,
  org_latency_daily: DAY_MS,
  platform_latency_daily: DAY_MS,
  platform_latency_hourly: HOUR_MS,
  org_latency_hourly: HOUR_MS,
  usage_daily: DAY_MS,
  usage_hourly: HOUR_MS,
  org_usage_15min: 15 * MINUTE_MS,
  usage_15min: 15 * MINUTE_MS,
  latency_daily: DAY_MS,
  latency_hourly: HOUR_MS,
  usage_events: 1,
} as const;
const RETENTIONS = {
  org_usage_daily: 'retentionDaily',
  org_usage_hourly: 'retentionHourly',
  model_latency_daily: 'retentionDaily',
  model_latency_hourly: 'retentionHourly',
  org_latency_daily: 'retentionDaily',
  platform_latency_daily: 'retentionDaily',
  platform_latency_hourly: 'retentionHourly',
  org_latency_hourly: 'retentionHourly',
  usage_daily: 'retentionDaily',
  usage_hourly: 'retentionHourly',
  org_usage_15min: 'retention15min',
  usage_15min: 'retention15min',
  latency_daily: 'retentionDaily',
  latency_hourly: 'retentionHourly',
  usage_events: 'rawRetention',
} as const;

const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'), 'UTC', 'UTC', 'UTC');
const demands: fc.Arbitrary<Demand> = fc
  .record({
    of: fc.constantFrom('counts' as const, 'latencies' as const),
    zone: zones.map((name) => TimeZone.named(name) as TimeZone),
    granularity: fc.constantFrom(...GRANULARITIES),
    daysAgo: fc.double({ min: 0, max: 420, noNaN: true }),
    hours: fc.double({ min: 0.1, max: 60, noNaN: true }),
    dimensions: fc.subarray<Dimension>(['org', 'model', 'client', 'status']),
    platformWide: fc.boolean(),
  })
  .map(({ zone, granularity, daysAgo, hours, dimensions, ...rest }) => {
    const start = NOW.getTime() - daysAgo * DAY_MS;
    const buckets = bucketsCovering({ start, end: start + hours * HOUR_MS }, granularity, zone);
    return { ...rest, buckets, dimensions: new Set(dimensions) };
  });

function demand(change: {
  of?: Demand['of'];
  zone?: string;
  granularity?: (typeof GRANULARITIES)[number];
  daysAgo?: number;
  days?: number;
  dimensions?: Dimension[];
  platformWide?: boolean;
}): Demand {
  const {
    of = 'counts',
    zone = 'UTC',
    granularity = 'day',
    daysAgo = 2,
    days = 1,
    dimensions = [],
    platformWide = false,
  } = change;
  const start = NOW.getTime() - daysAgo * DAY_MS;
  const window = { start, end: start + days * DAY_MS };
  const buckets = bucketsCovering(window, granularity, TimeZone.named(zone) as TimeZone);
  return { of, buckets, dimensions: new Set(dimensions), platformWide };
}
const choose = (change: Parameters<typeof demand>[0]) => chooseRelation(demand(change), LIMITS, NOW);

describe('the relation that answers', () => {
  it.each([
    [{}, 'org_usage_daily'],
    [{ granularity: 'month' }, 'org_usage_daily'],
    [{ dimensions: ['client'] }, 'usage_daily'],
    [{ zone: 'Europe/Berlin' }, 'org_usage_hourly'],
    [{ granularity: 'hour' }, 'org_usage_hourly'],
    [{ granularity: 'hour', dimensions: ['model'] }, 'usage_hourly'],
    [{ platformWide: true, dimensions: ['org'] }, 'org_usage_daily'],
    [{ zone: 'Asia/Kolkata' }, 'org_usage_15min'],
    [{ zone: 'Asia/Kathmandu', granularity: 'hour' }, 'org_usage_15min'],
    [{ zone: 'Asia/Kathmandu', granularity: 'hour', dimensions: ['client'] }, 'usage_15min'],
    [{ granularity: '15min' }, 'org_usage_15min'],
    [{ granularity: 'minute' }, 'usage_events'],
    [{ dimensions: ['model', 'client'] }, 'usage_daily'],
    [{ dimensions: ['status'] }, 'usage_events'],
    [{ of: 'latencies' }, 'org_latency_daily'],
    [{ of: 'latencies', zone: 'Europe/Berlin' }, 'org_latency_hourly'],
    [{ of: 'latencies', granularity: 'hour', dimensions: ['model'] }, 'latency_hourly'],
    [{ of: 'latencies', platformWide: true, dimensions: ['model'] }, 'model_latency_daily'],
    [{ of: 'latencies', platformWide: true, granularity: 'hour' }, 'platform_latency_hourly'],
    [{ of: 'latencies', platformWide: true, dimensions: ['org'] }, 'org_latency_daily'],
    [{ of: 'latencies', platformWide: true, dimensions: ['org', 'model'] }, 'latency_daily'],
    [{ of: 'latencies', dimensions: ['model'] }, 'latency_daily'],
    [{ of: 'latencies', dimensions: ['client'] }, 'usage_events'],
    [{ of: 'latencies', granularity: '15min' }, 'usage_events'],
    [{ of: 'latencies', zone: 'Asia/Kolkata' }, 'usage_events'],
  ] as const)('for %o is %s', (change, relation) => {
    expect(choose(change as Parameters<typeof demand>[0])).toBe(relation);
  });

  it('is whole over the window and made of whole parts of every bucket', () => {
    let answered = 0;
    fc.assert(
      fc.property(demands, (asked) => {
        let relation;
        try {
          relation = chooseRelation(asked, LIMITS, NOW);
        } catch (error) {
          expect((error as AppError).kind).toBe('unanswerable');
          return;
        }
        answered += 1;
        const { start, end, starts } = asked.buckets;
        expect([...starts, end].every((boundary) => boundary % GRAINS[relation] === 0)).toBe(true);
        expect(start).toBeGreaterThanOrEqual(wholeSince(RETENTIONS[relation], LIMITS, NOW));
        if (relation !== 'usage_events') expect(asked.dimensions.has('status')).toBe(false);
        if (relation.includes('latency')) expect(asked.dimensions.has('client')).toBe(false);
        if (/^(org|platform)_/.test(relation)) expect(asked.dimensions.has('model')).toBe(false);
        if (/^(model|platform)_latency/.test(relation)) expect([asked.platformWide, asked.dimensions.has('org')]).toEqual([true, false]); // prettier-ignore
        if (relation === 'usage_events') expect([asked.platformWide, end - start <= LIMITS.rawWindowLimit]).toEqual([false, true]); // prettier-ignore
      }),
      { numRuns: 2_000 },
    );
    expect(answered).toBeGreaterThan(500);
  });

  it('is not missing where a remedy is followed', () => {
    fc.assert(
      fc.property(zones, fc.integer({ min: 91, max: 390 }), (zone, daysAgo) => {
        const asked = { zone, daysAgo, days: 2, granularity: 'hour' as const };
        try {
          choose(asked);
        } catch (error) {
          const remedy = (error as AppError).violations.find(({ parameter }) => parameter === 'start');
          const start = Date.parse(/\S+Z/.exec(remedy?.detail ?? '')?.[0] ?? '');
          const tz = TimeZone.named(zone) as TimeZone;
          const buckets = bucketsCovering({ start, end: start + DAY_MS }, 'hour', tz);
          expect(() => chooseRelation({ ...demand(asked), buckets }, LIMITS, NOW)).not.toThrow();
        }
      }),
    );
  });

  it('is not one of which a shorter retention has dropped the beginning', () => {
    const asked = { zone: 'Asia/Kolkata', daysAgo: 80, granularity: 'hour' } as const;
    expect(choose(asked)).toBe('org_usage_15min');
    const keptFrom = { ...NOTHING_DROPPED, retention15min: Date.parse('2026-09-06T00:00:00Z') };
    expect(() => chooseRelation(demand(asked), { ...LIMITS, keptFrom }, NOW)).toThrow(
      'start: 2026-09-06T00:30:00.000Z or later.',
    );
    const whole = demand({ ...asked, daysAgo: 60 });
    expect(chooseRelation(whole, { ...LIMITS, keptFrom }, NOW)).toBe('org_usage_15min');
  });

  it('that does not exist is refused with each way to ask instead, the easiest first', () => {
    expect(() => choose({ zone: 'Asia/Kolkata', daysAgo: 200 })).toThrow(
      'Nothing that is kept answers this exactly. Ask for granularity: hour or coarser in a time zone of whole hours; or for start: 2026-08-07T18:30:00.000Z or later.',
    );
    expect(() => choose({ of: 'latencies', daysAgo: 20, days: 10, dimensions: ['client'] })).toThrow(
      'Nothing that is kept answers these percentiles exactly. Ask for groupBy: without client, and no clientId; or for end: at most 7 days after start (RAW_WINDOW_LIMIT); or for percentile: none.',
    );
    expect(() => choose({ daysAgo: 500 })).toThrow('Ask for start: 2025-10-05T00:00:00.000Z or later.');
  });
});
