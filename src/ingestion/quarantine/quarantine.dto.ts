import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsObject, IsString, Length, Max, MaxLength, Min } from 'class-validator'; // prettier-ignore
import { Optional } from '../../platform/http/optional.decorator';
import { INSTANT_FORMS } from '../../shared/time-window';
import { QUARANTINE_REASONS, type QuarantineReason } from '../../shared/usage-event/usage-event';

export const QUARANTINE_STATES = ['open', 'replayed', 'dismissed'] as const;
export type QuarantineState = (typeof QUARANTINE_STATES)[number];

const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const INSTANT = `${INSTANT_FORMS.charAt(0).toUpperCase()}${INSTANT_FORMS.slice(1)}.`;
const LATEST_OFFSET = Number.MAX_SAFE_INTEGER;

const wholeNumber = (max: number): string => `must be a whole number from 0 to ${max}.`;

export class ListQuarantineDto {
  @ApiPropertyOptional({ enum: QUARANTINE_STATES, description: 'Only those in this state.' })
  @Optional()
  @IsIn(QUARANTINE_STATES, { message: `must be one of ${QUARANTINE_STATES.join(', ')}.` })
  state?: QuarantineState;

  @ApiPropertyOptional({ enum: QUARANTINE_REASONS, isArray: true, description: 'Only these. Repeatable or comma-separated.' }) // prettier-ignore
  @Optional()
  @Transform(({ value }: { value: unknown }) => [value].flat().flatMap((each) => String(each).split(',')))
  @IsIn(QUARANTINE_REASONS, { each: true, message: `must be one of ${QUARANTINE_REASONS.join(', ')}.` })
  reason?: QuarantineReason[];

  @ApiPropertyOptional({ description: `Quarantined then or later: ${INSTANT}` })
  @Optional()
  @IsString()
  @MaxLength(64)
  start?: string;

  @ApiPropertyOptional({ description: `Quarantined before: ${INSTANT}` })
  @Optional()
  @IsString()
  @MaxLength(64)
  end?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 63, description: 'Partition of the stream.' })
  @Optional()
  @Type(() => Number)
  @IsInt({ message: wholeNumber(63) })
  @Min(0, { message: wholeNumber(63) })
  @Max(63, { message: wholeNumber(63) })
  partition?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, description: 'Offset in the stream, from here on.' })
  @Optional()
  @Type(() => Number)
  @IsInt({ message: wholeNumber(LATEST_OFFSET) })
  @Min(0, { message: wholeNumber(LATEST_OFFSET) })
  @Max(LATEST_OFFSET, { message: wholeNumber(LATEST_OFFSET) })
  fromOffset?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, description: 'Offset in the stream, exclusive.' })
  @Optional()
  @Type(() => Number)
  @IsInt({ message: wholeNumber(LATEST_OFFSET) })
  @Min(0, { message: wholeNumber(LATEST_OFFSET) })
  @Max(LATEST_OFFSET, { message: wholeNumber(LATEST_OFFSET) })
  toOffset?: number;

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

export class ReplayDto {
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: 'A usage event to store in place of what arrived; it is validated and known again like any other. Not given: as it arrived.' }) // prettier-ignore
  @Optional()
  @IsObject({ message: 'must be a usage event as a JSON object.' })
  payload?: Record<string, unknown>;

  @ApiPropertyOptional({ default: false, description: 'Store it although it occurred before the late horizon, as long as single events of its day are kept.' }) // prettier-ignore
  @Optional()
  @IsBoolean()
  admitLate?: boolean;

  @ApiPropertyOptional({ maxLength: 1000, description: 'Why; recorded.' })
  @Optional()
  @IsString()
  @Length(1, 1000)
  reason?: string;
}

export class DismissDto {
  @ApiProperty({ minLength: 1, maxLength: 1000, description: 'Why it need not be counted; recorded.' })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @IsString({ message: 'must be a text that says why.' })
  @Length(1, 1000, { message: 'must say why in 1 to 1000 characters.' })
  reason!: string;
}

/** An event that could not be stored. */
export class QuarantinedEvent {
  @ApiProperty({ format: 'uuid' })
  quarantineId!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'null where it could not be read.',
  })
  orgId!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  eventId!: string | null;

  @ApiProperty(MAYBE_TIME)
  occurredAt!: string | null;

  @ApiProperty({ enum: QUARANTINE_REASONS })
  reason!: QuarantineReason;

  @ApiProperty({ description: 'What is wrong, and what is allowed.' })
  detail!: string;

  @ApiProperty({ enum: QUARANTINE_STATES })
  state!: QuarantineState;

  @ApiProperty({ type: 'integer' })
  partition!: number;

  @ApiProperty({ type: 'integer', description: 'Counts the streams that have stood behind the partition.' })
  incarnation!: number;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Of its message; null when it came over HTTP without a broker.' }) // prettier-ignore
  streamOffset!: number | string | null;

  @ApiProperty({ type: 'integer', description: 'Place in its message.' })
  position!: number;

  @ApiProperty({ type: 'integer', description: 'Size of what arrived, in bytes.' })
  payloadBytes!: number;

  @ApiProperty(TIME)
  quarantinedAt!: string;

  @ApiProperty(MAYBE_TIME)
  reviewedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Id of the principal who replayed or dismissed it.' }) // prettier-ignore
  reviewedBy!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reviewReason!: string | null;

  @ApiProperty({ type: String, enum: ['stored', 'duplicate', null], nullable: true, description: 'duplicate: it was stored already.' }) // prettier-ignore
  replayOutcome!: 'stored' | 'duplicate' | null;
}

/** With what arrived. */
export class QuarantinedEventDetail extends QuarantinedEvent {
  @ApiProperty({ description: 'What arrived, at most 16 KiB of it; base64 where it is no UTF-8.' })
  payload!: string;

  @ApiProperty({ enum: ['utf-8', 'base64'] })
  payloadEncoding!: 'utf-8' | 'base64';

  @ApiProperty({ description: 'payload is not all that arrived; such an event can only be replayed corrected.' }) // prettier-ignore
  payloadTruncated!: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'Of a conflict: first 16 bytes of the SHA-256 of the event as it would be stored.' }) // prettier-ignore
  payloadHash!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Of a conflict: that of the event that was stored first.' }) // prettier-ignore
  storedPayloadHash!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, description: 'What was replayed in its place.' }) // prettier-ignore
  correctedPayload!: Record<string, unknown> | null;
}

export class QuarantinePage {
  @ApiProperty({ type: [QuarantinedEvent] })
  events!: QuarantinedEvent[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}
