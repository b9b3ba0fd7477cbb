import { AppError, type Violation } from '../shared/errors';
import { approximateCount, type Buckets, bucketsBefore, bucketsCovering, INSTANT_FORMS, parseInstant, type TimeWindow } from '../shared/time-window'; // prettier-ignore
import { DAY_MS, type Granularity, GRANULARITIES, HOUR_MS, TimeZone } from '../shared/time-zone';
import {
  type AnswerLimits,
  chooseRelation,
  type Demand,
  type Dimension,
  type Relation,
} from './choose-relation';
import type { Order, SeriesParameters, WindowParameters } from './series-parameters.dto';

/** A question for a series, checked and ready to be answered. */
export interface SeriesQuestion {
  readonly current: Period;
  /** Of `compare=previous`. */
  readonly previous: Period | null;
  readonly groupBy: ReadonlySet<Dimension>;
  readonly filters: SeriesFilters;
  readonly fill: 'none' | 'zero';
  /** How many groups are kept apart; `null` for all. */
  readonly limit: number | null;
  readonly orderBy: Order;
  /** Ascending as asked; empty for `none` and where the question is not about latency. */
  readonly percentiles: readonly number[];
  /** An answer with more is refused. */
  readonly maxRows: number;
  readonly now: Date;
}

/** A row of buckets and the relations that answer for them. */
export interface Period {
  readonly buckets: Buckets;
  readonly counts: Relation;
  /** `null` when no percentiles are asked for. */
  readonly latencies: Relation | null;
}

export interface SeriesFilters {
  /** `null` for all. */
  readonly orgIds: readonly string[] | null;
  readonly modelIds: readonly string[] | null;
  readonly clientIds: readonly string[] | null;
}

export interface QuestionContext {
  readonly now: Date;
  readonly limits: AnswerLimits & { readonly maxPoints: number };
  readonly platformWide: boolean;
  readonly percentiles: readonly number[];
}

/** Longest window of each granularity, in days. The longest relation is kept for 13 months by default. */
const WINDOW_LIMIT_DAYS: Record<Granularity, number> = {
  minute: 2,
  '15min': 31,
  hour: 186,
  day: 1_100,
  week: 1_100,
  month: 1_100,
};
const DEFAULT_MAX_POINTS = 400;
/** `auto` reads single events only for windows up to this: 7 days of them took 5.4 s where rollups took 40 ms. */
const EVENTS_UNASKED_MS = 6 * HOUR_MS;

/** All parameters of a series. Throws `invalid` naming each wrong one, or `unanswerable` with what can be asked instead. */
export function askSeries(
  parameters: SeriesParameters & { groupBy?: Dimension[]; orgId?: string[]; orderBy?: Order },
  context: QuestionContext,
): SeriesQuestion {
  const groupBy = new Set(parameters.groupBy ?? []);
  const filters = {
    orgIds: parameters.orgId ?? null,
    modelIds: parameters.modelId ?? null,
    clientIds: parameters.clientId ?? null,
  };
  const dimensions = new Set<Dimension>(groupBy);
  if (filters.orgIds) dimensions.add('org');
  if (filters.modelIds) dimensions.add('model');
  if (filters.clientIds) dimensions.add('client');
  const choose = (buckets: Buckets): Period => periodOf(buckets, dimensions, context);
  const current = choosePeriod(parameters, context, choose);
  return {
    current,
    previous: parameters.compare === 'previous' ? previousOf(current, choose) : null,
    groupBy,
    filters,
    fill: parameters.fill ?? 'none',
    limit: parameters.limit ?? null,
    orderBy: parameters.orderBy ?? 'requests',
    percentiles: context.percentiles,
    maxRows: context.limits.maxPoints,
    now: context.now,
  };
}

/** The window and the zone it is asked in, before snapping. Throws `invalid` with everything that is wrong. */
export function askWindow(parameters: WindowParameters, now: Date): TimeWindow & { readonly zone: TimeZone } {
  const violations: Violation[] = [];
  const zone = TimeZone.named(parameters.timezone ?? 'UTC');
  if (!zone) violations.push({ parameter: 'timezone', detail: 'must be a zone of the IANA database, such as Europe/Berlin or UTC.' }); // prettier-ignore
  const context = { now: now.getTime(), zone: zone ?? TimeZone.UTC };
  const start = parseInstant(parameters.start ?? 'now-24h', { ...context, side: 'start' });
  const end = parseInstant(parameters.end ?? 'now', { ...context, side: 'end' });
  if (start === undefined) violations.push({ parameter: 'start', detail: `must be ${INSTANT_FORMS}.` });
  if (end === undefined) violations.push({ parameter: 'end', detail: `must be ${INSTANT_FORMS}.` });
  if (start !== undefined && end !== undefined && end <= start)
    violations.push({ parameter: 'end', detail: 'must be after start.' });
  if (start === undefined || end === undefined || !zone || violations.length > 0) {
    const message = violations.map(({ parameter, detail }) => `${parameter}: ${detail}`).join('; ');
    throw new AppError('invalid', message, { violations });
  }
  return { start, end, zone };
}

/** Percentiles as numbers, 50, 95 and 99 unless asked otherwise; empty for `none`. */
export function askPercentiles(percentile: readonly string[] | undefined): number[] {
  if (percentile?.includes('none')) return [];
  const numbers = (percentile ?? ['50', '95', '99']).map(Number);
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function choosePeriod(
  parameters: SeriesParameters,
  context: QuestionContext,
  choose: (buckets: Buckets) => Period,
): Period {
  const { zone, ...window } = askWindow(parameters, context.now);
  const { granularity = 'auto', maxPoints = DEFAULT_MAX_POINTS } = parameters;
  if (granularity === 'auto') return chooseAutomatically(window, zone, maxPoints, context, choose);
  refuseTooMuch(window, granularity, context.limits.maxPoints);
  return choose(bucketsCovering(window, granularity, zone));
}

/** The finest granularity with at most `maxPoints` buckets that can be answered without reading many single events. */
function chooseAutomatically(
  window: TimeWindow,
  zone: TimeZone,
  maxPoints: number,
  { limits }: QuestionContext,
  choose: (buckets: Buckets) => Period,
): Period {
  let costly: Period | undefined;
  let refusal: unknown;
  for (const granularity of GRANULARITIES) {
    const isLast = granularity === GRANULARITIES.at(-1);
    const most = Math.min(maxPoints, limits.maxPoints);
    if (!isLast && (approximateCount(window, granularity) > most || isTooLong(window, granularity))) continue;
    try {
      const period = choose(bucketsCovering(window, granularity, zone));
      const readsEvents = period.counts === 'usage_events' || period.latencies === 'usage_events';
      if (!readsEvents || window.end - window.start <= EVENTS_UNASKED_MS) return period;
      // A coarser one may be cheaper, but a finer one answers more precisely when it is not.
      costly ??= period;
    } catch (error) {
      refusal ??= error;
    }
  }
  if (costly) return costly;
  throw refusal;
}

function periodOf(buckets: Buckets, dimensions: ReadonlySet<Dimension>, context: QuestionContext): Period {
  const { limits, now, platformWide, percentiles } = context;
  const demand = (of: Demand['of']): Demand => ({ of, buckets, dimensions, platformWide });
  return {
    buckets,
    counts: chooseRelation(demand('counts'), limits, now),
    latencies: percentiles.length === 0 ? null : chooseRelation(demand('latencies'), limits, now),
  };
}

function previousOf({ buckets }: Period, choose: (buckets: Buckets) => Period): Period {
  try {
    return choose(bucketsBefore(buckets));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('unanswerable', `The period before cannot be compared with: ${error.message}`, {
      violations: [
        { parameter: 'compare', detail: 'leave it out, or ask for a later start.' },
        ...error.violations,
      ],
    });
  }
}

function isTooLong({ start, end }: TimeWindow, granularity: Granularity): boolean {
  return end - start > WINDOW_LIMIT_DAYS[granularity] * DAY_MS;
}

function refuseTooMuch(window: TimeWindow, granularity: Granularity, maxPoints: number): void {
  const coarser = GRANULARITIES.filter((each) => !isTooLong(window, each) && approximateCount(window, each) <= maxPoints); // prettier-ignore
  const instead =
    coarser.length > 0 ? `a shorter window, or granularity ${coarser.join(', ')}` : 'a shorter window';
  if (isTooLong(window, granularity)) {
    const days = WINDOW_LIMIT_DAYS[granularity];
    const detail = `with granularity=${granularity} must be at most ${days} days after start: ask for ${instead}.`;
    throw new AppError('unanswerable', `end: ${detail}`, { violations: [{ parameter: 'end', detail }] });
  }
  const points = approximateCount(window, granularity);
  if (points > maxPoints) {
    const detail = `${granularity} makes about ${points} buckets of this window, and an answer has at most ${maxPoints} rows (MAX_POINTS): ask for ${instead}.`; // prettier-ignore
    throw new AppError('unanswerable', `granularity: ${detail}`, { violations: [{ parameter: 'granularity', detail }] }); // prettier-ignore
  }
}
