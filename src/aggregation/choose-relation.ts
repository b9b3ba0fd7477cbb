import { AppError, type Violation } from '../shared/errors';
import type { Buckets, TimeWindow } from '../shared/time-window';
import { DAY_MS, HOUR_MS, MINUTE_MS, TimeZone } from '../shared/time-zone';

export const ROLLUPS = [
  'org_usage_daily',
  'usage_daily',
  'org_usage_hourly',
  'usage_hourly',
  'org_usage_15min',
  'usage_15min',
] as const;
export const SKETCHES = [
  'platform_latency_daily',
  'model_latency_daily',
  'org_latency_daily',
  'latency_daily',
  'platform_latency_hourly',
  'model_latency_hourly',
  'org_latency_hourly',
  'latency_hourly',
] as const;
export type Rollup = (typeof ROLLUPS)[number];
export type Sketch = (typeof SKETCHES)[number];
export type Relation = Rollup | Sketch | 'usage_events';

export const DIMENSIONS = ['org', 'model', 'client', 'status'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** The settings that say how long relations are kept. */
export const RETENTIONS = ['rawRetention', 'retention15min', 'retentionHourly', 'retentionDaily'] as const;
export type Retention = (typeof RETENTIONS)[number];

/** How long each relation is kept and how much of the single events one question may read, in milliseconds. */
export interface AnswerLimits extends Readonly<Record<Retention, number>> {
  readonly rawWindowLimit: number;
  /** From when on relations are kept whatever their retention is now, in milliseconds since the epoch. */
  readonly keptFrom: Readonly<Record<Retention, number>>;
}

/** What a question needs of the relation that answers it. */
export interface Demand {
  /** `counts`: requests, tokens, cost, latency mean and maximum. `latencies`: how many requests took how long. */
  readonly of: 'counts' | 'latencies';
  readonly buckets: Buckets;
  /** Grouped by or filtered by. */
  readonly dimensions: ReadonlySet<Dimension>;
  /** Over all organisations: single events are never read for that. */
  readonly platformWide: boolean;
}

interface Candidate {
  readonly relation: Relation;
  readonly of: readonly Demand['of'][];
  /** Every boundary of the asked buckets must be a boundary of this grain of UTC. */
  readonly grain: number;
  readonly asGranularity: string;
  readonly lacks: readonly Dimension[];
  /** Sums over all organisations: only such questions may come to it. */
  readonly platformWide?: true;
  readonly retention: Retention;
}

/** Cheapest first. */
const CANDIDATES: readonly Candidate[] = [
  { relation: 'org_usage_daily', of: ['counts'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['model', 'client', 'status'], retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'usage_daily', of: ['counts'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['status'], retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'org_usage_hourly', of: ['counts'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['model', 'client', 'status'], retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'usage_hourly', of: ['counts'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['status'], retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'org_usage_15min', of: ['counts'], grain: 15 * MINUTE_MS, asGranularity: '15min or coarser', lacks: ['model', 'client', 'status'], retention: 'retention15min' }, // prettier-ignore
  { relation: 'usage_15min', of: ['counts'], grain: 15 * MINUTE_MS, asGranularity: '15min or coarser', lacks: ['status'], retention: 'retention15min' }, // prettier-ignore
  { relation: 'platform_latency_daily', of: ['latencies'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['org', 'model', 'client', 'status'], platformWide: true, retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'model_latency_daily', of: ['latencies'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['org', 'client', 'status'], platformWide: true, retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'org_latency_daily', of: ['latencies'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['model', 'client', 'status'], retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'latency_daily', of: ['latencies'], grain: DAY_MS, asGranularity: 'day, week or month with timezone=UTC', lacks: ['client', 'status'], retention: 'retentionDaily' }, // prettier-ignore
  { relation: 'platform_latency_hourly', of: ['latencies'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['org', 'model', 'client', 'status'], platformWide: true, retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'model_latency_hourly', of: ['latencies'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['org', 'client', 'status'], platformWide: true, retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'org_latency_hourly', of: ['latencies'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['model', 'client', 'status'], retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'latency_hourly', of: ['latencies'], grain: HOUR_MS, asGranularity: 'hour or coarser in a time zone of whole hours', lacks: ['client', 'status'], retention: 'retentionHourly' }, // prettier-ignore
  { relation: 'usage_events', of: ['counts', 'latencies'], grain: 1, asGranularity: 'any', lacks: [], retention: 'rawRetention' }, // prettier-ignore
];

/** One thing to ask differently. */
interface Remedy {
  readonly parameter: string;
  readonly detail: string;
  /** Of two remedies of the same parameter the one with the lower number asks for less. */
  readonly hardness: number;
}

/**
 * The relation that answers a question exactly at the least cost: coarse enough to be short, fine enough that each
 * asked bucket is made of whole ones of it, with the dimensions asked for, and kept since before the window began.
 *
 * Throws `unanswerable` when there is none, with what can be asked instead.
 */
export function chooseRelation(demand: Demand, limits: AnswerLimits, now: Date): Relation {
  const considered = consider(demand, limits, now);
  const cheapest = considered.find(({ lacking }) => lacking.length === 0);
  if (cheapest) return cheapest.relation;
  throw refusal(
    demand,
    considered.map(({ lacking }) => lacking),
  );
}

/** Every relation that answers a question exactly, the cheapest first; each of them gives the same answer. */
export function relationsThatAnswer(demand: Demand, limits: AnswerLimits, now: Date): Relation[] {
  return consider(demand, limits, now)
    .filter(({ lacking }) => lacking.length === 0)
    .map(({ relation }) => relation);
}

/** The relations that hold what is asked for, and what each would need the question to ask differently. */
function consider(
  demand: Demand,
  limits: AnswerLimits,
  now: Date,
): { relation: Relation; lacking: Remedy[] }[] {
  return CANDIDATES.filter(
    ({ of, relation, platformWide }) =>
      of.includes(demand.of) && (demand.platformWide ? relation !== 'usage_events' : !platformWide),
  ).map((candidate) => ({
    relation: candidate.relation,
    lacking: remediesFor(candidate, demand, limits, now),
  }));
}

/**
 * Since when the relations of a retention are whole: it drops whole days of UTC, and not before they are past it. What a
 * shorter one has dropped does not come back.
 */
export function wholeSince(retention: Retention, limits: AnswerLimits, now: Date): number {
  const since = TimeZone.UTC.floor(now.getTime() - limits[retention], 'day');
  return Math.max(since, limits.keptFrom[retention]);
}

/**
 * Throws `unanswerable` for a window that single events cannot answer, for questions that nothing else can: from when
 * on they are kept, or how long the window may be.
 */
export function requireEvents({ start, end }: TimeWindow, limits: AnswerLimits, now: Date): void {
  const since = wholeSince('rawRetention', limits, now);
  const violations: Violation[] = [];
  if (start < since) {
    violations.push({ parameter: 'start', detail: `${new Date(since).toISOString()} or later` });
  }
  if (end - start > limits.rawWindowLimit) violations.push({ parameter: 'end', detail: eventsLimit(limits) });
  if (violations.length === 0) return;
  const ways = violations.map(({ parameter, detail }) => `${parameter}: ${detail}`).join(', ');
  throw new AppError('unanswerable', `Only single events answer this. Ask for ${ways}.`, { violations });
}

function remediesFor(candidate: Candidate, demand: Demand, limits: AnswerLimits, now: Date): Remedy[] {
  const { buckets, dimensions } = demand;
  const remedies: Remedy[] = [];
  if (!isAligned(buckets, candidate.grain)) {
    remedies.push({
      parameter: 'granularity',
      detail: candidate.asGranularity,
      hardness: candidate.grain,
    });
  }
  for (const dimension of candidate.lacks.filter((lacked) => dimensions.has(lacked))) {
    const detail = dimension === 'client' ? 'without client, and no clientId' : `without ${dimension}`;
    remedies.push({ parameter: 'groupBy', detail, hardness: 0 });
  }
  const since = wholeSince(candidate.retention, limits, now);
  if (buckets.start < since) {
    const first = new Date(buckets.zone.ceil(since, buckets.granularity)).toISOString();
    remedies.push({ parameter: 'start', detail: `${first} or later`, hardness: since });
  }
  if (candidate.relation === 'usage_events' && buckets.end - buckets.start > limits.rawWindowLimit) {
    remedies.push({ parameter: 'end', detail: eventsLimit(limits), hardness: 0 });
  }
  return remedies;
}

function refusal({ of }: Demand, remedies: readonly Remedy[][]): AppError {
  const easiest = withoutHarderWays(remedies);
  const ways = easiest.map((way) => way.map(({ parameter, detail }) => `${parameter}: ${detail}`).join(', '));
  if (of === 'latencies') ways.push('percentile: none');
  return new AppError(
    'unanswerable',
    `Nothing that is kept answers ${of === 'latencies' ? 'these percentiles' : 'this'} exactly. Ask for ${ways.join('; or for ')}.`,
    { violations: easiest.flat().map(({ parameter, detail }) => ({ parameter, detail })) },
  );
}

/** Fewest changes first, without a way whose changes another one asks for too, or for less of them. */
function withoutHarderWays(ways: readonly Remedy[][]): Remedy[][] {
  return ways
    .filter((way, index) =>
      ways.every(
        (other, place) => place === index || !asksLess(other, way) || (asksLess(way, other) && place > index),
      ),
    )
    .sort((a, b) => a.length - b.length);
}

/** Not more than `harder`, to be exact. */
function asksLess(easier: readonly Remedy[], harder: readonly Remedy[]): boolean {
  return easier.every(({ parameter, hardness }) =>
    harder.some((other) => other.parameter === parameter && other.hardness >= hardness),
  );
}

function isAligned({ starts, end }: Buckets, grain: number): boolean {
  return end % grain === 0 && starts.every((start) => start % grain === 0);
}

function eventsLimit({ rawWindowLimit: ms }: AnswerLimits): string {
  const longest = ms % DAY_MS === 0 ? `${ms / DAY_MS} days` : `${Math.floor(ms / HOUR_MS)} hours`;
  return `at most ${longest} after start (RAW_WINDOW_LIMIT)`;
}
