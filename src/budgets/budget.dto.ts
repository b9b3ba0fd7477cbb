import { ApiProperty } from '@nestjs/swagger';
import {
  type Freshness,
  FRESHNESS_STATUSES,
  type FreshnessStatus,
} from '../shared/messages/get-freshness.query';
import { BUDGET_PERIODS, type BudgetPeriod, FORECAST_METHODS, type ForecastMethod } from './budgets-file';

const TIME = { type: String, format: 'date-time' } as const;
const DECIMAL = { type: String, pattern: '^[0-9]+(\\.[0-9]+)?$' } as const;
const WEBHOOK_STATES = ['none', 'pending', 'delivered', 'failed'] as const;
export type WebhookState = (typeof WEBHOOK_STATES)[number];

export class ThresholdAnswer {
  @ApiProperty({ type: 'integer', description: 'Of the amount.', example: 80 })
  percent!: number;

  @ApiProperty(DECIMAL)
  amountExact!: string;

  @ApiProperty({ ...TIME, nullable: true, description: 'When it was noticed that spend had reached it; null while it has not.' }) // prettier-ignore
  crossedAt!: string | null;

  @ApiProperty({ type: String, enum: [...WEBHOOK_STATES, null], nullable: true, description: 'What became of its webhook; null while it was not crossed.' }) // prettier-ignore
  webhook!: WebhookState | null;
}

/** One budget and how it stands. */
export class BudgetRow {
  @ApiProperty({ enum: BUDGET_PERIODS })
  period!: BudgetPeriod;

  @ApiProperty({ example: '2026-11' })
  periodName!: string;

  @ApiProperty(TIME)
  start!: string;

  @ApiProperty({ ...TIME, description: 'Exclusive.' })
  end!: string;

  @ApiProperty({ example: 'Europe/Berlin' })
  timezone!: string;

  @ApiProperty({ example: 'USD' })
  currency!: string;

  @ApiProperty({ type: Number, description: 'amountExact as the nearest double, for charts.' })
  amount!: number;

  @ApiProperty(DECIMAL)
  amountExact!: string;

  @ApiProperty({ type: Number, description: 'spentExact as the nearest double, for charts.' })
  spent!: number;

  @ApiProperty({ ...DECIMAL, description: 'In the period so far; as usage says it for the same window.' })
  spentExact!: string;

  @ApiProperty({ type: Number, description: 'Spent share of the amount; 1 is all of it.', example: 0.734 })
  spentRatio!: number;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'forecastExact as the nearest double, for charts.',
  })
  forecast!: number | null;

  @ApiProperty({ ...DECIMAL, nullable: true, description: 'Spend at the end of the period by forecastMethod; null at its first instant.' }) // prettier-ignore
  forecastExact!: string | null;

  @ApiProperty({ enum: FORECAST_METHODS, description: 'The method of forecast and exhaustsAt: the one the budget names, or linear while there is less than a week of spend before today.' }) // prettier-ignore
  forecastMethod!: ForecastMethod;

  @ApiProperty({ ...DECIMAL, nullable: true, description: 'If the rest of the period goes on as its past.' })
  linearForecastExact!: string | null;

  @ApiProperty({ ...DECIMAL, nullable: true, description: 'If each remaining day costs what its weekday did in the four weeks before; null with less than a week of spend before today.' }) // prettier-ignore
  sameWeekdayForecastExact!: string | null;

  @ApiProperty({ ...TIME, nullable: true, description: 'When the amount is used up, or the start of the day on which it was; null when it lasts.' }) // prettier-ignore
  exhaustsAt!: string | null;

  @ApiProperty({ type: [ThresholdAnswer], description: 'Ascending.' })
  thresholds!: ThresholdAnswer[];
}

class BudgetFreshness implements Freshness {
  @ApiProperty({ ...TIME, nullable: true })
  dataThrough!: string | null;

  @ApiProperty({ type: Number, nullable: true })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: FreshnessStatus;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Lost parts of the stream that may have held events of the window and that nobody has acknowledged.', example: 0 }) // prettier-ignore
  openGaps!: number;

  @ApiProperty({ description: 'Always false: the period still runs.' })
  final!: boolean;
}

export class BudgetAnswer {
  @ApiProperty({
    type: [BudgetRow],
    description: 'Month before day; empty for an organisation without a budget.',
  })
  budgets!: BudgetRow[];

  @ApiProperty({ type: BudgetFreshness })
  freshness!: Freshness;

  @ApiProperty({ type: String, nullable: true, description: 'Always null: there is one page.' })
  nextCursor!: string | null;
}
