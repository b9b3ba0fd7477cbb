import { endOfBucket } from '../shared/time-window';
import { DIMENSIONS } from './choose-relation';
import type { PackedBins } from './latency-bins';
import type { SeriesQuestion } from './series-question';
import { type Cell, type Counts, type Group, type PeriodCells, tooManyRows } from './series-cells';

/** The columns before the measures: the bucket, then each dimension that was grouped by. */
export interface RowHead {
  readonly time: string;
  readonly end: string;
  /** Of a row of the period before: start of its own bucket, while `time` and `end` are those it is compared with. */
  readonly comparedTime?: string;
  readonly orgId?: string;
  readonly modelId?: string;
  /** `null` for events that named no client. */
  readonly clientId?: string | null;
  readonly status?: string;
  /** Present when `limit` may have left out groups. */
  readonly isOther?: boolean;
}

/** What one row says beside its head. */
export type Measure<Measures> = (counts: Counts, bins: PackedBins) => Measures;

/** What a group is called in which `limit` folds all that it leaves out. */
const OTHER = 'other';
const NOTHING: Counts = {
  requests: '0',
  successes: '0',
  errors: '0',
  timeouts: '0',
  throttled: '0',
  inputTokens: '0',
  cachedInputTokens: '0',
  outputTokens: '0',
  cost: '0',
  latencySumMs: '0',
  latencyMaxMs: null,
};

/** Flat rows, ascending by time. `fill: zero` adds a row for each group and begun bucket without requests. */
export function rowsOf<Measures extends object>(
  question: SeriesQuestion,
  period: PeriodCells,
  measure: Measure<Measures>,
): (RowHead & Measures)[] {
  const cells = question.fill === 'zero' ? filled(question, period) : period.cells;
  return cells.map((cell) => ({ ...headOf(question, period, cell), ...measure(cell.counts, cell.bins) }));
}

/** The names of the columns that `rowsOf` puts before the measures, in order. */
export function headColumns({ groupBy, limit }: SeriesQuestion): string[] {
  const groups = DIMENSIONS.filter((dimension) => groupBy.has(dimension)).map(
    (dimension) => COLUMNS[dimension],
  );
  return ['time', 'end', ...groups, ...(limit !== null && groupBy.size > 0 ? ['isOther'] : [])];
}

const COLUMNS = { org: 'orgId', model: 'modelId', client: 'clientId', status: 'status' } as const;

function headOf(
  { current, groupBy, limit }: SeriesQuestion,
  { buckets }: PeriodCells,
  { index, group, isOther }: Cell,
): RowHead {
  const start = current.buckets.starts[index] ?? current.buckets.start;
  const label = (value: string) => (isOther ? OTHER : value);
  return {
    time: iso(start),
    end: iso(endOfBucket(current.buckets, index)),
    ...(buckets !== current.buckets && { comparedTime: iso(buckets.starts[index] ?? buckets.start) }),
    ...(groupBy.has('org') && { orgId: label(group.org) }),
    ...(groupBy.has('model') && { modelId: label(group.model) }),
    ...(groupBy.has('client') && { clientId: label(group.client) || null }),
    ...(groupBy.has('status') && { status: label(group.status) }),
    ...(limit !== null && groupBy.size > 0 && { isOther }),
  };
}

function filled({ groupBy, now, maxRows }: SeriesQuestion, { buckets, cells }: PeriodCells): Cell[] {
  const groups = new Map<string, Pick<Cell, 'group' | 'isOther'>>();
  const counted = new Map<string, Cell>();
  for (const cell of cells) {
    const key = keyOf(cell);
    groups.set(key, cell);
    counted.set(`${cell.index}/${key}`, cell);
  }
  if (groupBy.size === 0) groups.set(keyOf(UNGROUPED), UNGROUPED);
  const ordered = [...groups].sort(byName);
  const begun = buckets.starts.filter((start) => start <= now.getTime()).length;
  // Clocks of producers may be a little ahead of ours.
  const shown = Math.max(begun, (cells.at(-1)?.index ?? -1) + 1);
  if (shown * ordered.length > maxRows) throw tooManyRows(maxRows);
  return Array.from({ length: shown }).flatMap((_, index) =>
    ordered.map(([key, { group, isOther }]) => {
      return counted.get(`${index}/${key}`) ?? { index, group, isOther, counts: NOTHING, bins: [] };
    }),
  );
}

const UNGROUPED = { group: { org: '', model: '', client: '', status: '' } satisfies Group, isOther: false };

function keyOf({ group: { org, model, client, status }, isOther }: Pick<Cell, 'group' | 'isOther'>): string {
  return JSON.stringify([isOther, org, model, client, status]);
}

function byName(
  [a, first]: [string, Pick<Cell, 'isOther'>],
  [b, second]: [string, Pick<Cell, 'isOther'>],
): number {
  if (first.isOther !== second.isOther) return first.isOther ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
