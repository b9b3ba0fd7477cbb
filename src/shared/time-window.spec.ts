import fc from 'fast-check';
import { approximateCount, bucketsBefore, bucketsCovering, endOfBucket, parseInstant } from './time-window';
import { DAY_MS, GRANULARITIES, TimeZone } from './time-zone';

const ZONES = Intl.supportedValuesOf('timeZone').map((name) => TimeZone.named(name) as TimeZone);
const zones = fc.constantFrom(...ZONES);
const granularities = fc.constantFrom(...GRANULARITIES);
const windows = (longest: number) =>
  fc
    .tuple(
      fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2029, 0, 1) }),
      fc.integer({ min: 1, max: longest }),
    )
    .map(([start, length]) => ({ start, end: start + length }));

function berlin(): TimeZone {
  return TimeZone.named('Europe/Berlin') as TimeZone;
}

describe('buckets', () => {
  it('cover the window with as few whole buckets as can', () => {
    fc.assert(
      fc.property(zones, granularities, windows(2 * DAY_MS), (zone, granularity, window) => {
        const buckets = bucketsCovering(window, granularity, zone);
        expect(buckets.start).toBeLessThanOrEqual(window.start);
        expect(buckets.end).toBeGreaterThanOrEqual(window.end);
        expect(endOfBucket(buckets, 0)).toBeGreaterThan(window.start);
        expect(buckets.starts.at(-1)).toBeLessThan(window.end);
        expect(buckets.starts).toEqual([...new Set(buckets.starts)].sort((a, b) => a - b));
        expect(Math.abs(buckets.starts.length - approximateCount(window, granularity))).toBeLessThanOrEqual(2); // prettier-ignore
      }),
    );
  });

  it('of the days of a month are the month, in every zone', () => {
    const instant = Date.UTC(2026, 2, 20);
    for (const zone of ZONES) {
      for (const monthsBack of [0, 1, 4, 5, 11]) {
        const within = {
          start: Date.UTC(2026, 11 - monthsBack, 15),
          end: Date.UTC(2026, 11 - monthsBack, 15) + 1,
        };
        const month = bucketsCovering(within, 'month', zone);
        const days = bucketsCovering(month, 'day', zone);
        expect([zone.name, days.start, days.end]).toEqual([zone.name, month.start, month.end]);
        expect(days.starts.length).toBeGreaterThanOrEqual(28);
      }
      expect(bucketsCovering({ start: instant, end: instant + 1 }, 'month', zone).starts).toHaveLength(1);
    }
  });

  it('of the period before are as many and end where the asked ones begin', () => {
    fc.assert(
      fc.property(zones, granularities, windows(2 * DAY_MS), (zone, granularity, window) => {
        const buckets = bucketsCovering(window, granularity, zone);
        const before = bucketsBefore(buckets);
        expect(before.end).toBe(buckets.start);
        expect(before.starts).toHaveLength(buckets.starts.length);
        expect(bucketsCovering(before, granularity, zone)).toEqual(before);
      }),
    );
  });
});

describe('instants', () => {
  const now = Date.parse('2026-03-29T10:37:12.345Z');
  const parse = (text: string, side: 'start' | 'end' = 'start', zone = TimeZone.UTC) => {
    const instant = parseInstant(text, { now, zone, side });
    return instant === undefined ? undefined : new Date(instant).toISOString();
  };

  it('are read from every form a dashboard or a person sends', () => {
    expect(parse('2026-03-01T00:00:00Z')).toBe('2026-03-01T00:00:00.000Z');
    expect(parse('2026-03-01T00:00:00.123456789+05:30')).toBe('2026-02-28T18:30:00.123Z');
    expect(parse('2026-03-01T00:00:00 05:30')).toBe('2026-02-28T18:30:00.000Z');
    expect(parse('2026-03-01t10:00z')).toBe('2026-03-01T10:00:00.000Z');
    expect(parse('1700000000')).toBe('2023-11-14T22:13:20.000Z');
    expect(parse('1700000000123')).toBe('2023-11-14T22:13:20.123Z');
    expect(parse('now')).toBe('2026-03-29T10:37:12.345Z');
    expect(parse('now-24h')).toBe('2026-03-28T10:37:12.345Z');
    expect(parse('now+1h-30m')).toBe('2026-03-29T11:07:12.345Z');
  });

  it('without an offset are local to the zone', () => {
    expect(parse('2026-03-29', 'start', berlin())).toBe('2026-03-28T23:00:00.000Z');
    expect(parse('2026-03-30 00:00', 'start', berlin())).toBe('2026-03-29T22:00:00.000Z');
  });

  it('relative to now follow the calendar of the zone for days and more, the clock for less', () => {
    // The clocks of Berlin went forward in the night before.
    expect(parse('now-1d', 'start', berlin())).toBe('2026-03-28T11:37:12.345Z');
    expect(parse('now-24h', 'start', berlin())).toBe('2026-03-28T10:37:12.345Z');
    expect(parse('now/d', 'start', berlin())).toBe('2026-03-28T23:00:00.000Z');
    expect(parse('now/d', 'end', berlin())).toBe('2026-03-29T22:00:00.000Z');
    expect(parse('now-1M/M', 'start', berlin())).toBe('2026-01-31T23:00:00.000Z');
  });

  it('that cannot be read or are far away are refused', () => {
    for (const text of [
      '',
      'yesterday',
      '12:00',
      '2026',
      '2026-W05',
      '2026-13-01',
      '2026-02-30',
      '-1',
      'now-',
      'now-5',
      'now/x',
      '9999-12-31',
      '999999999999999',
      'now-999999y',
      '2026-03-01T25:00:00Z',
      '1e9',
      'NaN',
    ])
      // prettier-ignore
      expect([text, parse(text)]).toEqual([text, undefined]);
  });

  it('are read back from their own ISO form', () => {
    fc.assert(
      fc.property(
        zones,
        fc.date({ min: new Date(0), max: new Date(Date.UTC(2099, 0, 1)), noInvalidDate: true }),
        (zone, date) => {
          // prettier-ignore
          expect(parseInstant(date.toISOString(), { now, zone, side: 'end' })).toBe(date.getTime());
        },
      ),
    );
  });

  it('never throw, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'now-+/0123456789dhmwMyTZ:. ') })),
        (text) => {
          // prettier-ignore
          const instant = parseInstant(text, { now, zone: TimeZone.UTC, side: 'start' });
          expect(instant === undefined || (Number.isInteger(instant) && instant >= 0)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
