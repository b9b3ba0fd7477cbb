import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { changeSince, exactInteger, ratioOf, rounded } from '../shared/decimal';
import { type BinCount, percentileFromBins } from '../shared/latency-sketch';
import type { Freshness } from '../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from './answer-format.interceptor';
import { type PackedBins, unpackBins } from './latency-bins';
import {
  AnswerFrame,
  EXACT_INTEGER,
  frameOf,
  RowHeadModel,
  WindowModel,
  windowOf,
} from './series-answer.dto';
import type { SeriesQuestion } from './series-question';
import type { Counts, PeriodCells, SeriesCells } from './series-cells';
import { headColumns, rowsOf } from './series-rows';

const LATENCY = { type: Number, nullable: true, minimum: 0, description: 'Milliseconds; null without requests.' } as const; // prettier-ignore
const PERCENTILE = { ...LATENCY, description: 'Milliseconds, within 2.5 % of the exact percentile; null without requests. Other percentiles are named alike: p99.9 is p99_9Ms.' }; // prettier-ignore

/** How reliable and how fast it was. */
export class ReliabilityMeasures {
  @ApiProperty(EXACT_INTEGER)
  requests!: number | string;

  @ApiProperty(EXACT_INTEGER)
  successes!: number | string;

  @ApiProperty(EXACT_INTEGER)
  errors!: number | string;

  @ApiProperty(EXACT_INTEGER)
  timeouts!: number | string;

  @ApiProperty(EXACT_INTEGER)
  throttled!: number | string;

  @ApiProperty({ type: Number, nullable: true, minimum: 0, maximum: 1, description: 'Share of requests that did not succeed: error, timeout or throttled. null without requests.', example: 0.0125 }) // prettier-ignore
  errorRate!: number | null;

  @ApiProperty(LATENCY)
  latencyMeanMs!: number | null;

  @ApiProperty(LATENCY)
  latencyMaxMs!: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p50Ms?: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p75Ms?: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p90Ms?: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p95Ms?: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p99Ms?: number | null;

  @ApiPropertyOptional(PERCENTILE)
  p99_9Ms?: number | null;
}

export class ReliabilityRow extends IntersectionType(RowHeadModel, ReliabilityMeasures) {}

const CHANGE = { type: Number, nullable: true, description: 'Share of the value before; null where that was zero, and where either is null.', example: -0.1 } as const; // prettier-ignore

/** How much the totals changed against the period before. */
export class ReliabilityChange {
  @ApiProperty(CHANGE)
  requests!: number | null;

  @ApiProperty(CHANGE)
  errorRate!: number | null;

  @ApiProperty(CHANGE)
  latencyMeanMs!: number | null;
}

export class ReliabilityComparison {
  @ApiProperty({ type: WindowModel })
  window!: WindowModel;

  @ApiProperty({ type: [ReliabilityRow] })
  series!: ReliabilityRow[];

  @ApiProperty({ type: ReliabilityMeasures })
  totals!: ReliabilityMeasures;

  @ApiProperty({ type: ReliabilityChange })
  change!: ReliabilityChange;
}

export class ReliabilityAnswer extends AnswerFrame {
  @ApiProperty({ type: [ReliabilityRow], description: 'A row per bucket and group, ascending by time.' })
  series!: ReliabilityRow[];

  @ApiProperty({ type: ReliabilityMeasures })
  totals!: ReliabilityMeasures;

  @ApiPropertyOptional({ type: ReliabilityComparison, description: 'With compare=previous.' })
  compare?: ReliabilityComparison;
}

export const RELIABILITY_COLUMNS: readonly (keyof ReliabilityMeasures)[] = [
  'requests',
  'successes',
  'errors',
  'timeouts',
  'throttled',
  'errorRate',
  'latencyMeanMs',
  'latencyMaxMs',
];

/** The answer to a question about reliability. */
export function reliabilityAnswer(
  question: SeriesQuestion,
  cells: SeriesCells,
  freshness: Freshness,
): Tabular<ReliabilityAnswer> {
  const { previous } = cells;
  const measure = reliabilityOf(question.percentiles);
  const tellPeriod = (period: PeriodCells) => ({
    series: rowsOf(question, period, measure),
    totals: measure(period.total.counts, period.total.bins),
  });
  return {
    columns: tableColumns([
      ...headColumns(question),
      ...RELIABILITY_COLUMNS,
      ...question.percentiles.map(percentileColumn),
    ]),
    answer: {
      ...tellPeriod(cells.current),
      ...(previous && {
        compare: {
          window: windowOf(previous.buckets),
          ...tellPeriod(previous),
          change: reliabilityChange(previous.total.counts, cells.current.total.counts),
        },
      }),
      ...frameOf(question, freshness),
    },
  };
}

export function reliabilityOf(percentiles: readonly number[]) {
  return (counts: Counts, packed: PackedBins): ReliabilityMeasures => ({
    requests: exactInteger(counts.requests),
    successes: exactInteger(counts.successes),
    errors: exactInteger(counts.errors),
    timeouts: exactInteger(counts.timeouts),
    throttled: exactInteger(counts.throttled),
    errorRate: errorRate(counts),
    latencyMeanMs: latencyMean(counts),
    latencyMaxMs: counts.latencyMaxMs,
    ...percentilesOf(percentiles, packed),
  });
}

function reliabilityChange(previous: Counts, current: Counts): ReliabilityChange {
  return {
    requests: changeSince(previous.requests, current.requests),
    errorRate: changeOf(errorRate(previous), errorRate(current)),
    latencyMeanMs: changeOf(latencyMean(previous), latencyMean(current)),
  };
}

function changeOf(previous: number | null, current: number | null): number | null {
  return previous === null || current === null ? null : changeSince(String(previous), String(current));
}

/** `p95Ms`, `p99_9Ms`: a dot would be a path in Grafana's selectors. */
export function percentileColumn(percentile: number): string {
  return `p${String(percentile).replace('.', '_')}Ms`;
}

function percentilesOf(percentiles: readonly number[], packed: PackedBins): Partial<ReliabilityMeasures> {
  // Only here, row by row, so that the bins of all rows are never in memory at once.
  const bins = unpackBins(packed);
  return Object.fromEntries(percentiles.map((each) => [percentileColumn(each), percentileOf(bins, each)]));
}

function percentileOf(bins: readonly BinCount[], percentile: number): number | null {
  const latency = percentileFromBins(bins, percentile);
  return latency === null ? null : rounded(latency, 3);
}

function errorRate({ requests, successes }: Counts): number | null {
  return ratioOf((BigInt(requests) - BigInt(successes)).toString(), requests);
}

function latencyMean({ requests, latencySumMs }: Counts): number | null {
  const mean = ratioOf(latencySumMs, requests);
  return mean === null ? null : rounded(mean, 3);
}
