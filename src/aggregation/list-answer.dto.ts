import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { exactInteger } from '../shared/decimal';
import type { TimeWindow } from '../shared/time-window';
import { DECIMAL, EXACT_INTEGER, FreshnessModel, WindowModel } from './series-answer.dto';

const DAY = { type: String, format: 'date', example: '2026-11-01' } as const;
const TIME = { type: String, format: 'date-time' } as const;

/** What was used of something that exists, in the listed window. */
export class UsedItem {
  @ApiProperty(EXACT_INTEGER)
  requests!: number | string;

  @ApiProperty({ type: Number, minimum: 0, description: 'costExact as the nearest double, for charts.' })
  cost!: number;

  @ApiProperty({ ...DECIMAL, description: 'Exact to the last digit.', example: '12.5000000001' })
  costExact!: string;

  @ApiProperty({ ...DAY, description: 'First day in UTC within the window.' })
  firstUsedOn!: string;

  @ApiProperty({ ...DAY, description: 'Last day in UTC within the window.' })
  lastUsedOn!: string;
}

export class ModelItem extends UsedItem {
  @ApiProperty({ example: 'meta/llama-3-70b' })
  modelId!: string;
}

export class ClientItem extends UsedItem {
  @ApiProperty({ example: 'checkout-service' })
  clientId!: string;
}

export class OrgItem extends UsedItem {
  @ApiProperty({ format: 'uuid' })
  orgId!: string;
}

export class ErrorItem {
  @ApiProperty({ type: String, nullable: true, description: 'null for failures that named none.', example: 'overloaded' }) // prettier-ignore
  errorCode!: string | null;

  @ApiProperty({ enum: ['error', 'timeout', 'throttled'] })
  status!: string;

  @ApiPropertyOptional({ description: 'With groupBy=model.' })
  modelId?: string;

  @ApiPropertyOptional({ type: String, nullable: true, description: 'With groupBy=client; null for events that named no client.' }) // prettier-ignore
  clientId?: string | null;

  @ApiProperty(EXACT_INTEGER)
  requests!: number | string;

  @ApiProperty({
    type: Number,
    nullable: true,
    minimum: 0,
    maximum: 1,
    description: 'Of all failures in the window.',
  })
  share!: number | null;

  @ApiProperty(TIME)
  firstSeenAt!: string;

  @ApiProperty(TIME)
  lastSeenAt!: string;
}

class ListFrame {
  @ApiProperty({ type: WindowModel })
  window!: WindowModel;

  @ApiProperty({ type: FreshnessModel })
  freshness!: FreshnessModel;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Send it as cursor for the next page; null on the last.',
  })
  nextCursor!: string | null;
}

export class ModelsAnswer extends ListFrame {
  @ApiProperty({ type: [ModelItem], description: 'By modelId.' })
  items!: ModelItem[];
}

export class ClientsAnswer extends ListFrame {
  @ApiProperty({ type: [ClientItem], description: 'By clientId.' })
  items!: ClientItem[];
}

export class OrgsAnswer extends ListFrame {
  @ApiProperty({ type: [OrgItem], description: 'By orgId.' })
  items!: OrgItem[];
}

export class ErrorTotals {
  @ApiProperty({ ...EXACT_INTEGER, description: 'All failures in the window, listed or not.' })
  requests!: number | string;
}

export class ErrorsAnswer extends ListFrame {
  @ApiProperty({ type: [ErrorItem], description: 'The most frequent first.' })
  items!: ErrorItem[];

  @ApiProperty({ type: ErrorTotals })
  totals!: ErrorTotals;
}

/** A row of the statements that list what exists. */
export interface UsedRow {
  readonly requests: string;
  readonly costExact: string;
  readonly firstUsedOn: string;
  readonly lastUsedOn: string;
}

export function usedItem({ requests, costExact, firstUsedOn, lastUsedOn }: UsedRow): UsedItem {
  return { requests: exactInteger(requests), cost: Number(costExact), costExact, firstUsedOn, lastUsedOn };
}

export const USED_COLUMNS = ['requests', 'cost', 'costExact', 'firstUsedOn', 'lastUsedOn'] as const;

export function listWindow(
  { start, end }: TimeWindow,
  granularity: 'minute' | 'day',
  timezone = 'UTC',
): WindowModel {
  return { start: new Date(start).toISOString(), end: new Date(end).toISOString(), granularity, timezone };
}
