import { Injectable } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { COST_DIGITS, decimalOfUnits, unitsOfDecimal } from '../shared/decimal';
import { GetSpendQuery } from '../shared/messages/get-spend.query';
import { bucketsCovering, endOfBucket, type TimeWindow } from '../shared/time-window';
import type { Budget, ForecastMethod } from './budgets-file';
import { type DaySpend, exhaustionOf, type Expectation, forecastOf, HISTORY_DAYS, linearRest, sameWeekdayRest } from './forecast'; // prettier-ignore

/** What was spent in a period of a budget; amounts are exact decimals. */
export interface BudgetSpend {
  readonly budget: Budget;
  readonly period: TimeWindow;
  /** `2026-11` or `2026-11-24`, in the budget's time zone. */
  readonly periodName: string;
  readonly spent: string;
  /** Thresholds that spend has reached, in percent. */
  readonly reached: readonly number[];
}

/** How a budget stands at an instant of its period. */
export interface BudgetStanding extends BudgetSpend {
  readonly forecasts: Readonly<Record<ForecastMethod, string | null>>;
  /** The method of `exhaustsAt`: the budget's own, or linear while the organisation has too short a past. */
  readonly method: ForecastMethod;
  /** When the amount is used up; `null` when it lasts to the end of the period, or nothing can be expected yet. */
  readonly exhaustsAt: number | null;
}

const DAY_NAME_LENGTH = '2026-11-24'.length;
const MONTH_NAME_LENGTH = '2026-11'.length;

/** Holds spend against budgets, from the same rollups as every other answer. */
@Injectable()
export class BudgetStandings {
  constructor(private readonly queries: QueryBus) {}

  /** Throws `unanswerable` where the period or the weeks before it are no longer kept. */
  async of(budget: Budget, now: number): Promise<BudgetStanding> {
    const { zone } = budget;
    const period = periodOf(budget, now);
    const today = zone.floor(now, 'day');
    let from = today;
    for (let day = 0; day < HISTORY_DAYS; day += 1) from = zone.floor(from - 1, 'day');
    const window = { start: Math.min(from, period.start), end: zone.next(today, 'day') };
    return standingOf(budget, period, await this.daysOf(budget, window), now);
  }

  /** What was spent in the periods that are over by `now` and ended after `since`, the latest first. Throws as `of`. */
  async ended(budget: Budget, since: number, now: number): Promise<BudgetSpend[]> {
    const { start: end } = periodOf(budget, now);
    const periods: TimeWindow[] = [];
    for (
      let period = periodOf(budget, end - 1);
      period.end > since;
      period = periodOf(budget, period.start - 1)
    )
      periods.push(period);
    const oldest = periods.at(-1);
    if (!oldest) return [];
    const days = await this.daysOf(budget, { start: oldest.start, end });
    return periods.map((period) => spendOf(budget, period, days));
  }

  private async daysOf({ orgId, zone }: Budget, window: TimeWindow): Promise<DaySpend[]> {
    const buckets = bucketsCovering(window, 'day', zone);
    const costs = await this.queries.execute(new GetSpendQuery(orgId, buckets));
    return buckets.starts.map((start, index) => ({
      start,
      end: endOfBucket(buckets, index),
      units: unitsOfDecimal(costs[index] ?? '0', COST_DIGITS),
    }));
  }
}

/** The period of a budget that `instant` lies in. */
export function periodOf({ zone, period }: Budget, instant: number): TimeWindow {
  const start = zone.floor(instant, period);
  return { start, end: zone.next(start, period) };
}

/** Pure: how a budget stands when these were the days up to today. */
export function standingOf(
  budget: Budget,
  period: TimeWindow,
  days: readonly DaySpend[],
  now: number,
): BudgetStanding {
  const spend = spendOf(budget, period, days);
  const spent = unitsOfDecimal(spend.spent, COST_DIGITS);
  const amount = unitsOfDecimal(budget.amount, COST_DIGITS);
  const linear = linearRest(period, spent, now);
  const sameWeekday = sameWeekdayRest(days, daysAfter(budget, days, period), now);
  const method = budget.forecast === 'same-weekday' && sameWeekday ? 'same-weekday' : 'linear';
  const rest = (method === 'linear' ? linear : sameWeekday) ?? [];
  return {
    ...spend,
    forecasts: { linear: amountOf(spent, linear), 'same-weekday': amountOf(spent, sameWeekday) },
    method,
    exhaustsAt: exhaustionOf(amount, daysIn(period, days), rest),
  };
}

function spendOf(budget: Budget, period: TimeWindow, days: readonly DaySpend[]): BudgetSpend {
  const spent = daysIn(period, days).reduce((sum, { units }) => sum + units, 0n);
  const amount = unitsOfDecimal(budget.amount, COST_DIGITS);
  return {
    budget,
    period,
    periodName: nameOf(budget, period.start),
    spent: decimalOfUnits(spent, COST_DIGITS),
    reached: budget.thresholds.filter((percent) => spent * 100n >= amount * BigInt(percent)),
  };
}

function daysIn(period: TimeWindow, days: readonly DaySpend[]): DaySpend[] {
  return days.filter(({ start }) => start >= period.start && start < period.end);
}

function daysAfter({ zone }: Budget, days: readonly DaySpend[], period: TimeWindow): TimeWindow[] {
  const after: TimeWindow[] = [];
  for (let start = days.at(-1)?.end ?? period.end; start < period.end;) {
    const end = zone.next(start, 'day');
    after.push({ start, end });
    start = end;
  }
  return after;
}

function amountOf(spent: bigint, rest: readonly Expectation[] | undefined): string | null {
  return rest ? decimalOfUnits(forecastOf(spent, rest), COST_DIGITS) : null;
}

function nameOf({ zone, period }: Budget, start: number): string {
  const local = new Date(start + zone.offsetAt(start)).toISOString();
  return local.slice(0, period === 'month' ? MONTH_NAME_LENGTH : DAY_NAME_LENGTH);
}
