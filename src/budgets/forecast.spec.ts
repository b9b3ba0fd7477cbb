import * as fc from 'fast-check';
import { DAY_MS } from '../shared/time-zone';
import { type DaySpend, exhaustionOf, forecastOf, linearRest, sameWeekdayRest } from './forecast';

const START = Date.UTC(2026, 10, 1);
const dayOf = (index: number, units: bigint): DaySpend => ({
  start: START + index * DAY_MS,
  end: START + (index + 1) * DAY_MS,
  units,
});
const NOVEMBER = { start: START, end: START + 30 * DAY_MS };

describe('a linear forecast', () => {
  it('goes on as before', () => {
    const rest = linearRest(NOVEMBER, 100n, START + 10 * DAY_MS);
    expect(forecastOf(100n, rest ?? [])).toBe(300n);
  });

  it('says nothing at the first instant of a period', () => {
    expect(linearRest(NOVEMBER, 0n, START)).toBeUndefined();
  });

  it('uses the amount up at the instant at which the line reaches it', () => {
    const days = Array.from({ length: 10 }, (_, index) => dayOf(index, 10n));
    const rest = linearRest(NOVEMBER, 100n, START + 10 * DAY_MS) ?? [];
    expect(exhaustionOf(200n, days, rest)).toBe(START + 20 * DAY_MS);
    expect(exhaustionOf(300n, days, rest)).toBe(NOVEMBER.end);
    expect(exhaustionOf(301n, days, rest)).toBeNull();
    expect(exhaustionOf(35n, days, rest)).toBe(START + 3 * DAY_MS);
  });
});

describe('a forecast by the same weekdays', () => {
  // Weekdays cost 70, weekends 10: 2026-11-01 is a Sunday.
  const costOf = (index: number): bigint => ([0, 6].includes(((index % 7) + 7) % 7) ? 10n : 70n);
  const days = Array.from({ length: 29 }, (_, index) => dayOf(index - 18, costOf(index - 18)));
  const rest = Array.from({ length: 19 }, (_, index) => dayOf(index + 11, 0n));

  it('knows weekends, and what is left of today', () => {
    // The end of 2026-11-11, a Wednesday, without its last quarter.
    const now = START + 10 * DAY_MS + (DAY_MS * 3) / 4;
    const expected = sameWeekdayRest(days, rest, now) ?? [];
    expect(expected[0]).toEqual({ start: now, end: START + 11 * DAY_MS, units: 17n });
    expect(expected.slice(1).map(({ units }) => units)).toEqual(rest.map((_, index) => costOf(index + 11)));
  });

  it('leaves out the time before the first spend, and says nothing with less than a week of it', () => {
    const now = START + 10 * DAY_MS;
    const young = days.map((day, index) => (index < 20 ? { ...day, units: 0n } : day));
    const expected = sameWeekdayRest(young, rest, now) ?? [];
    expect(expected.slice(1).map(({ units }) => units)).toEqual(rest.map((_, index) => costOf(index + 11)));
    const younger = days.map((day, index) => (index < 22 ? { ...day, units: 0n } : day));
    expect(sameWeekdayRest(younger, rest, now)).toBeUndefined();
  });
});

it('an amount is used up exactly when the forecast reaches it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }), { minLength: 8, maxLength: 40 }),
      fc.integer({ min: 1, max: DAY_MS - 1 }),
      fc.bigInt({ min: 1n, max: 10n ** 17n }),
      fc.boolean(),
      (spends, sinceMidnight, amount, byWeekday) => {
        const days = spends.map((units, index) => dayOf(index, units));
        const today = days.at(-1) as DaySpend;
        const now = today.start + sinceMidnight;
        const period = { start: START, end: today.end + 5 * DAY_MS };
        const after = Array.from({ length: 5 }, (_, index) => dayOf(spends.length + index, 0n));
        const spent = spends.reduce((sum, units) => sum + units, 0n);
        const rest = (byWeekday ? sameWeekdayRest(days, after, now) : linearRest(period, spent, now)) ?? [];
        const exhausted = exhaustionOf(amount, days, rest);
        expect(exhausted !== null).toBe(forecastOf(spent, rest) >= amount);
        if (exhausted !== null) expect(exhausted >= period.start && exhausted <= period.end).toBe(true);
        if (exhausted !== null && spent < amount) expect(exhausted).toBeGreaterThanOrEqual(now);
      },
    ),
  );
});
