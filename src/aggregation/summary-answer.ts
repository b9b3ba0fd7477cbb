import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { changeSince } from '../shared/decimal';
import type { Freshness } from '../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from './answer-format.interceptor';
import {
  RELIABILITY_COLUMNS,
  ReliabilityMeasures,
  percentileColumn,
  reliabilityOf,
} from './reliability-answer';
import { AnswerFrame, frameOf, WindowModel, windowOf } from './series-answer.dto';
import type { SeriesQuestion } from './series-question';
import type { PeriodCells, SeriesCells } from './series-cells';
import { USAGE_COLUMNS, UsageMeasures, usageOf } from './usage-answer';

const TIME = { type: String, format: 'date-time' } as const;
const PREVIOUS = { type: Number, nullable: true, description: 'In the period before; null when that is no longer kept or nothing happened in it.' } as const; // prettier-ignore
const CHANGE = { type: Number, nullable: true, description: 'Share of the value in the period before: 0.25 for a quarter more; null where that is null or zero.', example: 0.25 } as const; // prettier-ignore

class SummaryHead {
  @ApiProperty({ ...TIME, description: 'Start of the window.' })
  time!: string;

  @ApiProperty({ ...TIME, description: 'End of the window, not included.' })
  end!: string;
}

class SummaryChanges {
  @ApiProperty(PREVIOUS)
  requestsPrevious!: number | null;

  @ApiProperty(CHANGE)
  requestsChange!: number | null;

  @ApiProperty(PREVIOUS)
  totalTokensPrevious!: number | null;

  @ApiProperty(CHANGE)
  totalTokensChange!: number | null;

  @ApiProperty(PREVIOUS)
  costPrevious!: number | null;

  @ApiProperty(CHANGE)
  costChange!: number | null;

  @ApiProperty(PREVIOUS)
  errorRatePrevious!: number | null;

  @ApiProperty(CHANGE)
  errorRateChange!: number | null;

  @ApiProperty(PREVIOUS)
  latencyMeanMsPrevious!: number | null;

  @ApiProperty(CHANGE)
  latencyMeanMsChange!: number | null;

  @ApiPropertyOptional(PREVIOUS)
  p50MsPrevious?: number | null;

  @ApiPropertyOptional(CHANGE)
  p50MsChange?: number | null;

  @ApiPropertyOptional(PREVIOUS)
  p95MsPrevious?: number | null;

  @ApiPropertyOptional(CHANGE)
  p95MsChange?: number | null;

  @ApiPropertyOptional(PREVIOUS)
  p99MsPrevious?: number | null;

  @ApiPropertyOptional(CHANGE)
  p99MsChange?: number | null;
}

export class SummaryRow extends IntersectionType(
  IntersectionType(SummaryHead, UsageMeasures),
  IntersectionType(ReliabilityMeasures, SummaryChanges),
) {}

export class SummaryAnswer extends AnswerFrame {
  @ApiProperty({ type: [SummaryRow], description: 'One row, also when nothing happened.' })
  series!: SummaryRow[];

  @ApiProperty({ description: 'Of cost and costExact, ISO 4217.', example: 'USD' })
  currency!: string;

  @ApiPropertyOptional({ type: WindowModel, description: 'As many buckets directly before; absent when that is no longer kept.' }) // prettier-ignore
  previousWindow?: WindowModel;
}

const COMPARED = ['requests', 'totalTokens', 'cost', 'errorRate', 'latencyMeanMs'] as const;

/** The totals of a question that is not grouped, in one flat row, beside those of the period before. */
export function summaryAnswer(
  question: SeriesQuestion,
  { current, previous }: SeriesCells,
  freshness: Freshness,
  currency: string,
): Tabular<SummaryAnswer> {
  const { percentiles } = question;
  const columns = [...COMPARED, ...percentiles.map(percentileColumn)];
  const now = measuresOf(current, percentiles);
  const before = previous && measuresOf(previous, percentiles);
  const window = windowOf(current.buckets);
  const row = { time: window.start, end: window.end, ...now, ...changes(columns, before, now) };
  return {
    columns: tableColumns([
      'time',
      'end',
      ...new Set([...USAGE_COLUMNS, ...RELIABILITY_COLUMNS, ...percentiles.map(percentileColumn)]),
      ...columns.flatMap((column) => [`${column}Previous`, `${column}Change`]),
    ]),
    answer: {
      series: [row as unknown as SummaryRow],
      currency,
      ...(previous && { previousWindow: windowOf(previous.buckets) }),
      ...frameOf(question, freshness),
    },
  };
}

type Measures = Record<string, number | string | null>;

function measuresOf({ total }: PeriodCells, percentiles: readonly number[]): Measures {
  return { ...usageOf(total.counts), ...reliabilityOf(percentiles)(total.counts, total.bins) };
}

function changes(columns: readonly string[], before: Measures | null, now: Measures): Measures {
  return Object.fromEntries(
    columns.flatMap((column) => {
      const [previous, current] = [before?.[column] ?? null, now[column] ?? null];
      const isComparable = previous !== null && current !== null;
      return [
        [`${column}Previous`, previous],
        [`${column}Change`, isComparable ? changeSince(String(previous), String(current)) : null],
      ];
    }),
  );
}
