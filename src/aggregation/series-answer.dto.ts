import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  type Freshness,
  FRESHNESS_STATUSES,
  type FreshnessStatus,
} from '../shared/messages/get-freshness.query';
import { type Granularity, GRANULARITIES } from '../shared/time-zone';
import type { Buckets } from '../shared/time-window';
import type { SeriesQuestion } from './series-question';
import type { RowHead } from './series-rows';

const TIME = { type: String, format: 'date-time' } as const;
/** A whole number as `exactInteger` gives it. */
export const EXACT_INTEGER = {
  oneOf: [
    { type: 'integer', minimum: 0 },
    { type: 'string', pattern: '^[0-9]{16,}$' },
  ],
};
export const DECIMAL = { type: String, pattern: '^[0-9]+(\\.[0-9]+)?$' } as const;

/** How far the data behind an answer reaches. */
export class FreshnessModel implements Freshness {
  @ApiProperty({ ...TIME, nullable: true, description: 'Everything that occurred before it and was sent in time is counted, but for what openGaps tells of; null before the first event.' }) // prettier-ignore
  dataThrough!: string | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'Seconds from dataThrough to now.',
    example: 0.4,
  })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: FreshnessStatus;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Lost parts of the stream that may have held events of the window and that nobody has acknowledged.', example: 0 }) // prettier-ignore
  openGaps!: number;

  @ApiProperty({ description: 'The answer will not change by itself: the window ended before the late horizon and nothing in it is open.' }) // prettier-ignore
  final!: boolean;
}

/** The window an answer covers, after snapping to whole buckets. */
export class WindowModel {
  @ApiProperty(TIME)
  start!: string;

  @ApiProperty(TIME)
  end!: string;

  @ApiProperty({ enum: GRANULARITIES })
  granularity!: Granularity;

  @ApiProperty({ example: 'Europe/Berlin' })
  timezone!: string;
}

export function windowOf(buckets: Buckets): WindowModel {
  return {
    start: new Date(buckets.start).toISOString(),
    end: new Date(buckets.end).toISOString(),
    granularity: buckets.granularity,
    timezone: buckets.zone.name,
  };
}

/** The columns of every series before its measures. */
export class RowHeadModel implements RowHead {
  @ApiProperty({ ...TIME, description: 'Start of the bucket.' })
  time!: string;

  @ApiProperty({ ...TIME, description: 'End of the bucket, not included.' })
  end!: string;

  @ApiPropertyOptional({ ...TIME, description: 'In compare.series: start of the row’s own bucket; time and end are those it is compared with.' }) // prettier-ignore
  comparedTime?: string;

  @ApiPropertyOptional({ description: 'With groupBy=org; "other" for the groups that limit left out.' })
  orgId?: string;

  @ApiPropertyOptional({ description: 'With groupBy=model.', example: 'meta/llama-3-70b' })
  modelId?: string;

  @ApiPropertyOptional({ type: String, nullable: true, description: 'With groupBy=client; null for events that named no client.' }) // prettier-ignore
  clientId?: string | null;

  @ApiPropertyOptional({ enum: ['success', 'error', 'timeout', 'throttled', 'other'], description: 'With groupBy=status.' }) // prettier-ignore
  status?: string;

  @ApiPropertyOptional({ description: 'With limit: true for the row of all groups that it left out.' })
  isOther?: boolean;
}

/** What every answer has beside its rows. */
export class AnswerFrame {
  @ApiProperty({ type: WindowModel })
  window!: WindowModel;

  @ApiProperty({ type: FreshnessModel })
  freshness!: FreshnessModel;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Always null: the answer is whole.',
    example: null,
  })
  nextCursor!: null;
}

export function frameOf({ current }: SeriesQuestion, freshness: Freshness): AnswerFrame {
  return { window: windowOf(current.buckets), freshness, nextCursor: null };
}
