import type { TimeWindow } from '../shared/time-window';

/** What is expected to be spent in a span of time, evenly; amounts are whole units. */
export interface Expectation extends TimeWindow {
  readonly units: bigint;
}

/** A day of the budget's time zone and what was spent in it so far. */
export interface DaySpend extends TimeWindow {
  readonly units: bigint;
}

/** From so many days before today the averages of the weekdays are taken. */
export const HISTORY_DAYS = 28;
const WEEK_DAYS = 7;

/** The rest of the period goes on as its past did on average; `undefined` when nothing of it has passed. */
export function linearRest(
  period: TimeWindow,
  spent: bigint,
  now: number,
): readonly Expectation[] | undefined {
  const elapsed = BigInt(now - period.start);
  if (elapsed <= 0n) return undefined;
  return [{ start: now, end: period.end, units: divided(spent * BigInt(period.end - now), elapsed) }];
}

/**
 * Each remaining day costs what that weekday cost on average in the four weeks before today, and the rest of today its
 * share of that. Only days since the first one with any spend count; `undefined` with less than a week of them.
 *
 * `days` ascend without gap and end with today; `rest` are the days after it up to the end of the period.
 */
export function sameWeekdayRest(
  days: readonly DaySpend[],
  rest: readonly TimeWindow[],
  now: number,
): readonly Expectation[] | undefined {
  const today = days.at(-1);
  const before = days.slice(Math.max(0, days.length - 1 - HISTORY_DAYS), -1);
  const first = before.findIndex(({ units }) => units > 0n);
  if (!today || first < 0 || before.length - first < WEEK_DAYS) return undefined;
  // The day n days after today has the weekday of the days 7 - n % 7, 14 - n % 7, … before it.
  const averageOf = (daysAhead: number): bigint => {
    let [sum, count] = [0n, 0n];
    for (let back = WEEK_DAYS - (daysAhead % WEEK_DAYS); back <= before.length - first; back += WEEK_DAYS) {
      sum += before[before.length - back]?.units ?? 0n;
      count += 1n;
    }
    return divided(sum, count);
  };
  const left = BigInt(today.end - now);
  return [
    { start: now, end: today.end, units: divided(averageOf(0) * left, BigInt(today.end - today.start)) },
    ...rest.map(({ start, end }, index) => ({ start, end, units: averageOf(index + 1) })),
  ];
}

/** What will have been spent at the end. */
export function forecastOf(spent: bigint, rest: readonly Expectation[]): bigint {
  return rest.reduce((sum, { units }) => sum + units, spent);
}

/**
 * When `amount` is used up: the start of the day on which it was, or the instant at which the expectation reaches it.
 * `null` when it lasts to the end of the period. `days` are those of the period.
 */
export function exhaustionOf(
  amount: bigint,
  days: readonly DaySpend[],
  rest: readonly Expectation[],
): number | null {
  let sum = 0n;
  for (const { start, units } of days) {
    sum += units;
    if (sum >= amount) return start;
  }
  for (const { start, end, units } of rest) {
    if (sum + units >= amount && units > 0n)
      return start + Number(((amount - sum) * BigInt(end - start)) / units);
    sum += units;
  }
  return null;
}

function divided(units: bigint, by: bigint): bigint {
  return by === 0n ? 0n : units / by;
}
