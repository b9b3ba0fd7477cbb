import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsObject, IsOptional, IsString, IsUUID, Max, MaxLength, Min, ValidateNested } from 'class-validator'; // prettier-ignore
import { Optional } from '../platform/http/optional.decorator';
import { exactInteger } from '../shared/decimal';
import { INSTANT_FORMS } from '../shared/time-window';
import { HOUR_MS } from '../shared/time-zone';
import type { ReaggregationPage } from './queries/list-reaggregations.query';
import { type Reaggregation, REAGGREGATION_STATES, type ReaggregationState } from './reaggregation.entity';

const INSTANT = `${INSTANT_FORMS.charAt(0).toUpperCase()}${INSTANT_FORMS.slice(1)}.`;
const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;

export class ReaggregationWindowDto {
  @ApiProperty({ example: '2026-11-05T10:00:00Z', description: INSTANT })
  @IsString({ message: 'must be a time as text.' })
  @MaxLength(64)
  start!: string;

  @ApiProperty({ example: '2026-11-06', description: `Exclusive, at most now. ${INSTANT}` })
  @IsString({ message: 'must be a time as text.' })
  @MaxLength(64)
  end!: string;
}

export class RequestReaggregationDto {
  @ApiProperty({ type: ReaggregationWindowDto, description: 'Widened to whole hours of UTC; as far back as single events are kept.' }) // prettier-ignore
  @IsObject({ message: 'must be given as {start, end}.' })
  @ValidateNested()
  @Type(() => ReaggregationWindowDto)
  window!: ReaggregationWindowDto;

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true, description: 'Only this organisation, where the storage engine can tell them apart; null or left out, all.' }) // prettier-ignore
  @IsOptional()
  @IsUUID(undefined, { message: 'must be a UUID.' })
  orgId?: string | null;

  @ApiPropertyOptional({ default: 'UTC', description: 'IANA name: of times without an offset.' })
  @Optional()
  @IsString()
  @MaxLength(64)
  timezone?: string;
}

export class ListReaggregationsDto {
  @ApiPropertyOptional({ enum: REAGGREGATION_STATES, description: 'Only those in this state.' })
  @Optional()
  @IsIn(REAGGREGATION_STATES, { message: `must be one of ${REAGGREGATION_STATES.join(', ')}.` })
  state?: ReaggregationState;

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

class WindowAnswer {
  @ApiProperty(TIME)
  start!: string;

  @ApiProperty({ ...TIME, description: 'Exclusive.' })
  end!: string;
}

class ProgressAnswer {
  @ApiProperty({ type: 'integer', description: 'Events that the rebuilt buckets were computed from.' })
  rowsRead!: number | string;

  @ApiProperty({ type: 'integer', description: 'Hours of the window that are rebuilt.' })
  bucketsRebuilt!: number;

  @ApiProperty({ type: 'integer', description: 'Hours of the window.' })
  bucketsTotal!: number;

  @ApiProperty({ ...TIME, description: 'Everything of the window before it is rebuilt.' })
  rebuiltThrough!: string;
}

export class ReaggregationAnswer {
  @ApiProperty({ format: 'uuid' })
  jobId!: string;

  @ApiProperty({ enum: REAGGREGATION_STATES })
  state!: ReaggregationState;

  @ApiProperty({ type: WindowAnswer })
  window!: WindowAnswer;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'null: all organisations.' })
  orgId!: string | null;

  @ApiProperty({ type: ProgressAnswer })
  progress!: ProgressAnswer;

  @ApiProperty({ description: 'Id of the principal.' })
  requestedBy!: string;

  @ApiProperty(TIME)
  requestedAt!: string;

  @ApiProperty(MAYBE_TIME)
  startedAt!: string | null;

  @ApiProperty(MAYBE_TIME)
  finishedAt!: string | null;

  @ApiProperty({ type: 'integer', description: 'How often the work was begun.' })
  attempt!: number;

  @ApiProperty({ type: String, nullable: true, description: 'Why the last attempt failed.' })
  failure!: string | null;
}

export class ReaggregationPageAnswer {
  @ApiProperty({ type: [ReaggregationAnswer] })
  reaggregations!: ReaggregationAnswer[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}

export function answerOf(job: Reaggregation): ReaggregationAnswer {
  const hours = (from: Date, to: Date): number => Math.round((to.getTime() - from.getTime()) / HOUR_MS);
  return {
    jobId: job.jobId,
    state: job.state,
    window: { start: job.windowStart.toISOString(), end: job.windowEnd.toISOString() },
    orgId: job.orgId,
    progress: {
      rowsRead: exactInteger(job.rowsRead),
      bucketsRebuilt: hours(job.windowStart, job.rebuiltThrough),
      bucketsTotal: hours(job.windowStart, job.windowEnd),
      rebuiltThrough: job.rebuiltThrough.toISOString(),
    },
    requestedBy: job.requestedBy,
    requestedAt: job.requestedAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    finishedAt: job.finishedAt?.toISOString() ?? null,
    attempt: job.attempt,
    failure: job.failure,
  };
}

export function pageAnswerOf({ jobs, nextCursor }: ReaggregationPage): ReaggregationPageAnswer {
  return { reaggregations: jobs.map(answerOf), nextCursor };
}
