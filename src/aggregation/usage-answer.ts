import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { changeSince, exactInteger } from '../shared/decimal';
import type { Freshness } from '../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from './answer-format.interceptor';
import {
  AnswerFrame,
  DECIMAL,
  EXACT_INTEGER,
  frameOf,
  RowHeadModel,
  WindowModel,
  windowOf,
} from './series-answer.dto';
import type { SeriesQuestion } from './series-question';
import type { Counts, PeriodCells, SeriesCells } from './series-cells';
import { headColumns, rowsOf } from './series-rows';

/** How much was used and what it cost. */
export class UsageMeasures {
  @ApiProperty(EXACT_INTEGER)
  requests!: number | string;

  @ApiProperty({ ...EXACT_INTEGER, description: 'Cached ones included.' })
  inputTokens!: number | string;

  @ApiProperty(EXACT_INTEGER)
  cachedInputTokens!: number | string;

  @ApiProperty(EXACT_INTEGER)
  outputTokens!: number | string;

  @ApiProperty({ ...EXACT_INTEGER, description: 'Input and output.' })
  totalTokens!: number | string;

  @ApiProperty({ type: Number, minimum: 0, description: 'costExact as the nearest double, for charts.', example: 12.5 }) // prettier-ignore
  cost!: number;

  @ApiProperty({ ...DECIMAL, description: 'Exact to the last digit.', example: '12.5000000001' })
  costExact!: string;
}

export class UsageRow extends IntersectionType(RowHeadModel, UsageMeasures) {}

const CHANGE = { type: Number, nullable: true, description: 'Share of the value before; null where that was zero.', example: 0.25 } as const; // prettier-ignore

/** How much the totals changed against the period before. */
export class UsageChange {
  @ApiProperty(CHANGE)
  requests!: number | null;

  @ApiProperty(CHANGE)
  inputTokens!: number | null;

  @ApiProperty(CHANGE)
  cachedInputTokens!: number | null;

  @ApiProperty(CHANGE)
  outputTokens!: number | null;

  @ApiProperty(CHANGE)
  totalTokens!: number | null;

  @ApiProperty(CHANGE)
  cost!: number | null;
}

export class UsageComparison {
  @ApiProperty({ type: WindowModel })
  window!: WindowModel;

  @ApiProperty({ type: [UsageRow] })
  series!: UsageRow[];

  @ApiProperty({ type: UsageMeasures })
  totals!: UsageMeasures;

  @ApiProperty({ type: UsageChange })
  change!: UsageChange;
}

export class UsageAnswer extends AnswerFrame {
  @ApiProperty({ type: [UsageRow], description: 'A row per bucket and group, ascending by time.' })
  series!: UsageRow[];

  @ApiProperty({ type: UsageMeasures })
  totals!: UsageMeasures;

  @ApiProperty({ description: 'Of cost and costExact, ISO 4217.', example: 'USD' })
  currency!: string;

  @ApiPropertyOptional({ type: UsageComparison, description: 'With compare=previous.' })
  compare?: UsageComparison;
}

export const USAGE_COLUMNS: readonly (keyof UsageMeasures)[] = [
  'requests',
  'inputTokens',
  'cachedInputTokens',
  'outputTokens',
  'totalTokens',
  'cost',
  'costExact',
];

/** The answer to a question about usage. */
export function usageAnswer(
  question: SeriesQuestion,
  cells: SeriesCells,
  freshness: Freshness,
  currency: string,
): Tabular<UsageAnswer> {
  const { previous } = cells;
  const tellPeriod = (period: PeriodCells) => ({
    series: rowsOf(question, period, usageOf),
    totals: usageOf(period.total.counts),
  });
  return {
    columns: tableColumns([...headColumns(question), ...USAGE_COLUMNS]),
    answer: {
      ...tellPeriod(cells.current),
      currency,
      ...(previous && {
        compare: {
          window: windowOf(previous.buckets),
          ...tellPeriod(previous),
          change: usageChange(previous.total.counts, cells.current.total.counts),
        },
      }),
      ...frameOf(question, freshness),
    },
  };
}

export function usageOf(counts: Counts): UsageMeasures {
  return {
    requests: exactInteger(counts.requests),
    inputTokens: exactInteger(counts.inputTokens),
    cachedInputTokens: exactInteger(counts.cachedInputTokens),
    outputTokens: exactInteger(counts.outputTokens),
    totalTokens: exactInteger(totalTokens(counts)),
    cost: Number(counts.cost),
    costExact: counts.cost,
  };
}

function usageChange(previous: Counts, current: Counts): UsageChange {
  return {
    requests: changeSince(previous.requests, current.requests),
    inputTokens: changeSince(previous.inputTokens, current.inputTokens),
    cachedInputTokens: changeSince(previous.cachedInputTokens, current.cachedInputTokens),
    outputTokens: changeSince(previous.outputTokens, current.outputTokens),
    totalTokens: changeSince(totalTokens(previous), totalTokens(current)),
    cost: changeSince(previous.cost, current.cost),
  };
}

function totalTokens({ inputTokens, outputTokens }: Counts): string {
  return (BigInt(inputTokens) + BigInt(outputTokens)).toString();
}
