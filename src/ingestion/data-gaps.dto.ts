import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsIn, IsInt, IsString, Length, Max, MaxLength, Min } from 'class-validator';
import { Optional } from '../platform/http/optional.decorator';

export const GAP_STATES = ['open', 'acknowledged'] as const;
const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const PARTITION = 'must be a whole number from 0 to 63.';

export class ListDataGapsDto {
  @ApiPropertyOptional({ enum: GAP_STATES, description: 'Only those in this state.' })
  @Optional()
  @IsIn(GAP_STATES, { message: `must be one of ${GAP_STATES.join(', ')}.` })
  state?: (typeof GAP_STATES)[number];

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 63 })
  @Optional()
  @Type(() => Number)
  @IsInt({ message: PARTITION })
  @Min(0, { message: PARTITION })
  @Max(63, { message: PARTITION })
  partition?: number;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @Optional()
  @IsString()
  @MaxLength(200)
  cursor?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @Optional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit?: number;
}

export class AcknowledgeDto {
  @ApiProperty({ minLength: 1, maxLength: 1000, description: 'Why the loss is settled, such as that its events were sent again; recorded.' }) // prettier-ignore
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @IsString({ message: 'must be a text that says why.' })
  @Length(1, 1000, { message: 'must say why in 1 to 1000 characters.' })
  reason!: string;
}

/** A part of a stream that no longer existed when it was to be read. */
export class DataGap {
  @ApiProperty({ format: 'uuid' })
  gapId!: string;

  @ApiProperty({ enum: GAP_STATES })
  state!: (typeof GAP_STATES)[number];

  @ApiProperty({ type: 'integer' })
  partition!: number;

  @ApiProperty({ type: 'integer', description: 'Counts the streams that have stood behind the partition.' })
  incarnation!: number;

  @ApiProperty({ enum: ['truncated', 'recreated'], description: 'truncated: the stream dropped messages before they were read. recreated: it is another stream now.' }) // prettier-ignore
  kind!: string;

  @ApiProperty({ type: 'integer' })
  fromOffset!: number | string;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Exclusive; null where nobody knows.' })
  toOffset!: number | string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'Events that occurred from here on may be lost; null: any.' })
  dataFrom!: string | null;

  @ApiProperty({ ...TIME, description: 'Events that occurred up to here may be lost.' })
  dataThrough!: string;

  @ApiProperty(TIME)
  detectedAt!: string;

  @ApiProperty(MAYBE_TIME)
  acknowledgedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Id of the principal.' })
  acknowledgedBy!: string | null;

  @ApiProperty({ type: String, nullable: true })
  acknowledgedReason!: string | null;
}

export class DataGapPage {
  @ApiProperty({ type: [DataGap] })
  gaps!: DataGap[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}
