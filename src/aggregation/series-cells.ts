import { COST_DIGITS, decimalOfUnits, unitsOfDecimal } from '../shared/decimal';
import { AppError } from '../shared/errors';
import type { Buckets } from '../shared/time-window';
import type { Dimension } from './choose-relation';
import type { PackedBins } from './latency-bins';

/** The value of each dimension; empty where it is not grouped by, and for events that named no client. */
export type Group = Readonly<Record<Dimension, string>>;

/** What was counted in one bucket for one group; whole numbers and money as text. */
export interface Counts {
  readonly requests: string;
  readonly successes: string;
  readonly errors: string;
  readonly timeouts: string;
  readonly throttled: string;
  readonly inputTokens: string;
  readonly cachedInputTokens: string;
  readonly outputTokens: string;
  readonly cost: string;
  readonly latencySumMs: string;
  /** `null` without requests. */
  readonly latencyMaxMs: number | null;
}

export interface Cell {
  /** Index of the bucket. */
  readonly index: number;
  readonly group: Group;
  /** All groups that `limit` left out. */
  readonly isOther: boolean;
  readonly counts: Counts;
  /** Empty when no percentiles were asked for. */
  readonly bins: PackedBins;
}

export interface PeriodCells {
  readonly buckets: Buckets;
  /** Ascending by bucket; within a bucket in the order of `SeriesCells.kept`, else by name. */
  readonly cells: readonly Cell[];
  readonly total: Pick<Cell, 'counts' | 'bins'>;
}

export interface SeriesCells {
  readonly current: PeriodCells;
  readonly previous: PeriodCells | null;
  /** The groups that `limit` kept apart, best first; `null` when there was no limit. */
  readonly kept: readonly Group[] | null;
}

export function tooManyRows(maxRows: number): AppError {
  return new AppError(
    'unanswerable',
    `The answer has more than ${maxRows} rows (MAX_POINTS): ask for a coarser granularity, a shorter window, fewer groups, or a limit of groups.`,
    {
      violations: [
        { parameter: 'limit', detail: 'keeps the largest groups apart and folds the others into one.' },
      ],
    },
  );
}

const WHOLE = [
  'requests',
  'successes',
  'errors',
  'timeouts',
  'throttled',
  'inputTokens',
  'cachedInputTokens',
  'outputTokens',
  'latencySumMs',
] as const satisfies readonly (keyof Counts)[];

/** The exact sum of all, as the database tells it. */
export function addUp(all: readonly Counts[]): Counts {
  const whole = WHOLE.map((name): [string, string] => [
    name,
    all.reduce((sum, counts) => sum + BigInt(counts[name]), 0n).toString(),
  ]);
  const cost = all.reduce((sum, counts) => sum + unitsOfDecimal(counts.cost, COST_DIGITS), 0n);
  const latencies = all.flatMap(({ latencyMaxMs }) => latencyMaxMs ?? []);
  return {
    ...(Object.fromEntries(whole) as Record<(typeof WHOLE)[number], string>),
    cost: decimalOfUnits(cost, COST_DIGITS),
    latencyMaxMs: latencies.length === 0 ? null : latencies.reduce((max, each) => Math.max(max, each)),
  };
}
