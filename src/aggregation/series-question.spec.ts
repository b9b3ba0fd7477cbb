import { NOTHING_DROPPED } from '../../test/support/nothing-dropped';
import { AppError } from '../shared/errors';
import { DAY_MS } from '../shared/time-zone';
import type { SeriesParameters } from './series-parameters.dto';
import { askPercentiles, askSeries, askWindow, type QuestionContext } from './series-question';

const NOW = new Date('2026-11-05T13:37:12.345Z');
const CONTEXT: QuestionContext = {
  now: NOW,
  limits: {
    rawRetention: 30 * DAY_MS,
    retention15min: 90 * DAY_MS,
    retentionHourly: 396 * DAY_MS,
    retentionDaily: 396 * DAY_MS,
    rawWindowLimit: 7 * DAY_MS,
    keptFrom: NOTHING_DROPPED,
    maxPoints: 10_000,
  },
  platformWide: false,
  percentiles: [],
};

function periodOf(parameters: Partial<SeriesParameters>, percentiles: number[] = []) {
  const { current } = askSeries(parameters, { ...CONTEXT, percentiles });
  const { granularity, starts } = current.buckets;
  return { granularity, points: starts.length, counts: current.counts, latencies: current.latencies };
}

describe('a question', () => {
  it.each([
    [{ start: 'now-1h' }, 'minute', 'usage_events'],
    [{ start: 'now-6h' }, 'minute', 'usage_events'],
    [{ start: 'now-24h' }, '15min', 'org_usage_15min'],
    [{ start: 'now-7d' }, 'hour', 'org_usage_hourly'],
    [{ start: 'now-30d' }, 'day', 'org_usage_daily'],
    [{ start: 'now-390d' }, 'day', 'org_usage_daily'],
    [{ start: 'now-390d', maxPoints: 100 }, 'week', 'org_usage_daily'],
    [{ start: 'now-360d', maxPoints: 1 }, 'month', 'org_usage_daily'],
    [{ start: 'now-7d', maxPoints: 1_000 }, '15min', 'org_usage_15min'],
  ])('%o is answered automatically by %s from %s', (parameters, granularity, counts) => {
    const period = periodOf(parameters);
    expect([period.granularity, period.counts]).toEqual([granularity, counts]);
    if (granularity !== 'month') expect(period.points).toBeLessThanOrEqual(1_002);
  });

  it('about percentiles does not read days of single events unless asked to', () => {
    expect(periodOf({ start: 'now-24h' }, [95])).toMatchObject({
      granularity: 'hour',
      latencies: 'org_latency_hourly',
    });
    expect(periodOf({ start: 'now-2h' }, [95])).toMatchObject({
      granularity: 'minute',
      latencies: 'usage_events',
    });
    expect(periodOf({ start: 'now-24h', granularity: '15min' }, [95]).latencies).toBe('usage_events');
    // In a zone at :30 nothing but events can tell.
    expect(periodOf({ start: 'now-2d', timezone: 'Asia/Kolkata' }, [95]).latencies).toBe('usage_events');
  });

  it('collects everything that is wrong with its window', () => {
    const wrong = () => askWindow({ start: 'soon', end: 'later', timezone: 'Nowhere' }, NOW);
    expect(wrong).toThrow(AppError);
    try {
      wrong();
    } catch (error) {
      expect((error as AppError).kind).toBe('invalid');
      expect((error as AppError).violations.map(({ parameter }) => parameter)).toEqual([
        'timezone',
        'start',
        'end',
      ]);
    }
  });

  it('that is too long says the limit and the granularities that are allowed', () => {
    expect(() => periodOf({ start: 'now-100d', granularity: '15min' })).toThrow(
      'end: with granularity=15min must be at most 31 days after start: ask for a shorter window, or granularity hour, day, week, month.',
    );
  });

  it('asks for percentiles once each, ascending', () => {
    expect(askPercentiles(undefined)).toEqual([50, 95, 99]);
    expect(askPercentiles(['99.9', '50', '50.0'])).toEqual([50, 99.9]);
    expect(askPercentiles(['none'])).toEqual([]);
  });

  it('for the period before says so when that is no longer kept', () => {
    expect(() => askSeries({ start: 'now-300d', granularity: 'day', compare: 'previous' }, CONTEXT)).toThrow(
      /^The period before cannot be compared with: .* start: 2025-10-05/,
    );
  });
});
