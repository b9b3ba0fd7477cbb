import fc from 'fast-check';
import { DateTime } from 'luxon';
import { DAY_MS, GRANULARITIES, HOUR_MS, MINUTE_MS, TimeZone } from './time-zone';

const ZONES = Intl.supportedValuesOf('timeZone').map((name) => TimeZone.named(name) as TimeZone);
const zones = fc.constantFrom(...ZONES);
const instants = fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2030, 0, 1) });
const granularities = fc.constantFrom(...GRANULARITIES);

function zone(name: string): TimeZone {
  return TimeZone.named(name) as TimeZone;
}

function startsOf(name: string, granularity: (typeof GRANULARITIES)[number], from: string, to: string) {
  const starts: string[] = [];
  for (
    let start = zone(name).floor(Date.parse(from), granularity);
    start < Date.parse(to);
    start = zone(name).next(start, granularity)
  ) {
    starts.push(new Date(start).toISOString());
  }
  return starts;
}

describe('time zone', () => {
  it('knows the names of the IANA database and nothing else', () => {
    for (const name of ['Europe/Berlin', 'UTC', 'Asia/Kathmandu', 'America/Argentina/La_Rioja', 'Etc/GMT+5'])
      expect(TimeZone.named(name)?.name).toBe(name);
    for (const name of ['Europe/Atlantis', '', '+05:30', 'UTC+1', 'Berlin', 'Europe/Berlin ; drop'])
      expect(TimeZone.named(name)).toBeUndefined();
  });

  it('covers all time with buckets that neither overlap nor leave a gap, in every zone', () => {
    fc.assert(
      fc.property(zones, granularities, instants, (tz, granularity, instant) => {
        const start = tz.floor(instant, granularity);
        const end = tz.next(start, granularity);
        expect(start).toBeLessThanOrEqual(instant);
        expect(end).toBeGreaterThan(instant);
        expect(tz.floor(start, granularity)).toBe(start);
        expect(tz.floor(end - 1, granularity)).toBe(start);
        expect(tz.floor(end, granularity)).toBe(end);
        expect(tz.ceil(start, granularity)).toBe(start);
        expect(tz.ceil(end - 1, granularity)).toBe(end);
      }),
      { numRuns: 5_000 },
    );
  });

  it('makes longer buckets out of whole shorter ones, in every zone', () => {
    fc.assert(
      fc.property(zones, instants, (tz, instant) => {
        for (const [longer, shorter] of [
          ['month', 'day'],
          ['week', 'day'],
          ['day', 'hour'],
          ['hour', '15min'],
          ['15min', 'minute'],
        ] as const) {
          // prettier-ignore
          const start = tz.floor(instant, longer);
          const end = tz.next(start, longer);
          expect(tz.floor(start, shorter)).toBe(start);
          expect(tz.floor(end, shorter)).toBe(end);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('begins days, weeks and months on their first date, by the calendar of luxon', () => {
    fc.assert(
      fc.property(zones, fc.constantFrom('day', 'week', 'month'), instants, (tz, granularity, instant) => {
        const start = DateTime.fromMillis(tz.floor(instant, granularity), { zone: tz.name });
        const justBefore = start.minus({ milliseconds: 1 });
        expect(start.startOf(granularity).toISODate()).toBe(start.toISODate());
        expect(justBefore.toISODate()! < start.toISODate()!).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('gives every week of today’s zones boundaries at quarters of an hour of UTC', () => {
    const elsewhere = ZONES.filter((tz) => {
      let start = tz.floor(Date.UTC(2026, 0, 1), 'week');
      for (let week = 0; week < 53; week += 1) {
        if (start % (15 * MINUTE_MS) !== 0) return true;
        start = tz.next(start, 'week');
      }
      return false;
    });
    expect(elsewhere).toEqual([]);
  });

  it('counts 23 and 25 hours on the days the clocks change', () => {
    const hours = (from: string) => {
      const berlin = zone('Europe/Berlin');
      const start = berlin.floor(Date.parse(from), 'day');
      return (berlin.next(start, 'day') - start) / HOUR_MS;
    };
    expect(hours('2026-03-29T12:00:00Z')).toBe(23);
    expect(hours('2026-10-25T12:00:00Z')).toBe(25);
    expect(hours('2026-07-01T12:00:00Z')).toBe(24);
  });

  it('keeps the two passages of a repeated hour apart', () => {
    expect(startsOf('Europe/Berlin', 'hour', '2026-10-24T23:30:00Z', '2026-10-25T03:00:00Z')).toEqual([
      '2026-10-24T23:00:00.000Z',
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ]);
  });

  it('makes an hour of 30 minutes where the clock is set by half an hour', () => {
    expect(startsOf('Australia/Lord_Howe', 'hour', '2026-04-04T14:00:00Z', '2026-04-04T17:00:00Z')).toEqual([
      '2026-04-04T14:00:00.000Z',
      '2026-04-04T15:00:00.000Z',
      '2026-04-04T15:30:00.000Z',
      '2026-04-04T16:30:00.000Z',
    ]);
  });

  it('begins hours and days at :15, :30 and :45 where the zone does', () => {
    expect(startsOf('Asia/Kathmandu', 'hour', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z')).toEqual([
      '2025-12-31T23:15:00.000Z',
      '2026-01-01T00:15:00.000Z',
    ]);
    expect(startsOf('Asia/Kolkata', 'day', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z')).toEqual([
      '2025-12-31T18:30:00.000Z',
      '2026-01-01T18:30:00.000Z',
    ]);
  });

  it('begins a day at its first instant where midnight is skipped or comes twice', () => {
    // Cairo sets the clock forward from 00:00 to 01:00, Havana back from 01:00 to 00:00.
    expect(startsOf('Africa/Cairo', 'day', '2026-04-23T22:30:00Z', '2026-04-24T12:00:00Z')).toEqual([
      '2026-04-23T22:00:00.000Z',
    ]);
    expect(startsOf('America/Havana', 'day', '2026-11-01T04:30:00Z', '2026-11-02T06:00:00Z')).toEqual([
      '2026-11-01T04:00:00.000Z',
      '2026-11-02T05:00:00.000Z',
    ]);
  });

  it('has no bucket for a date that a zone skipped', () => {
    expect(startsOf('Pacific/Apia', 'day', '2011-12-29T12:00:00Z', '2012-01-01T12:00:00Z')).toEqual([
      '2011-12-29T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
      '2012-01-01T10:00:00.000Z',
    ]);
  });

  it('begins weeks on Monday across a change of the year', () => {
    expect(startsOf('UTC', 'week', '2027-01-01T00:00:00Z', '2027-01-12T00:00:00Z')).toEqual([
      '2026-12-28T00:00:00.000Z',
      '2027-01-04T00:00:00.000Z',
      '2027-01-11T00:00:00.000Z',
    ]);
  });

  it('agrees with a day of 24 hours in UTC', () => {
    fc.assert(
      fc.property(instants, (instant) => {
        expect(TimeZone.UTC.floor(instant, 'day')).toBe(Math.floor(instant / DAY_MS) * DAY_MS);
      }),
    );
  });
});
