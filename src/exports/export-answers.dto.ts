import { ApiProperty } from '@nestjs/swagger';
import { USAGE_STATUSES } from '../shared/usage-event/usage-event';
import { EXPORT_STATES, type ExportJob, type ExportState } from './export-job.entity';
import { EXPORT_FORMATS, EXPORT_GRANULARITIES, type ExportFilters, type ExportFormat, type ExportGranularity, FOCUS_VERSIONS, type FocusVersion } from './file-specification'; // prettier-ignore
import type { ExportPage } from './queries/list-exports.query';

class ExportWindowAnswer {
  @ApiProperty({ format: 'date-time' })
  start!: string;

  @ApiProperty({ format: 'date-time', description: 'Exclusive.' })
  end!: string;
}

class ExportFiltersAnswer implements ExportFilters {
  @ApiProperty({ type: [String] })
  readonly modelIds!: readonly string[];

  @ApiProperty({ type: [String] })
  readonly clientIds!: readonly string[];

  @ApiProperty({ enum: USAGE_STATUSES, isArray: true })
  readonly statuses!: ExportFilters['statuses'];
}

const INSTANT = { type: 'string', format: 'date-time', nullable: true } as const;

/** An export job as callers see it. */
export class ExportAnswer {
  @ApiProperty({ format: 'uuid' })
  jobId!: string;

  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty({ enum: EXPORT_STATES })
  state!: ExportState;

  @ApiProperty({
    type: ExportWindowAnswer,
    description: 'What the file covers: whole buckets of the time zone.',
  })
  window!: ExportWindowAnswer;

  @ApiProperty({ enum: EXPORT_GRANULARITIES })
  granularity!: ExportGranularity;

  @ApiProperty({ example: 'Europe/Berlin' })
  timezone!: string;

  @ApiProperty({ type: ExportFiltersAnswer })
  filters!: ExportFilters;

  @ApiProperty({ enum: EXPORT_FORMATS })
  format!: ExportFormat;

  @ApiProperty({ type: 'string', enum: [...FOCUS_VERSIONS, null], nullable: true })
  focusVersion!: FocusVersion | null;

  @ApiProperty({ description: 'Id of the principal, or schedule.' })
  requestedBy!: string;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '2026-10',
    description: 'The month of a scheduled export.',
  })
  scheduledFor!: string | null;

  @ApiProperty({ format: 'date-time' })
  requestedAt!: string;

  @ApiProperty(INSTANT)
  startedAt!: string | null;

  @ApiProperty(INSTANT)
  finishedAt!: string | null;

  @ApiProperty({ ...INSTANT, description: 'When the file is deleted.' })
  expiresAt!: string | null;

  @ApiProperty({ type: 'integer', description: 'How often writing was begun.' })
  attempt!: number;

  @ApiProperty({ type: 'string', description: 'Rows written so far, as a decimal integer.' })
  rowsWritten!: string;

  @ApiProperty({ type: 'string', nullable: true, description: 'Why the last attempt failed.' })
  failure!: string | null;
}

export class ExportPageAnswer {
  @ApiProperty({ type: [ExportAnswer] })
  exports!: ExportAnswer[];

  @ApiProperty({
    type: 'string',
    nullable: true,
    description: 'Send it as cursor for the next page; null on the last.',
  })
  nextCursor!: string | null;
}

export function answerOf(job: ExportJob): ExportAnswer {
  const { modelIds, clientIds, statuses } = job;
  return {
    jobId: job.jobId,
    orgId: job.orgId,
    state: job.state,
    window: { start: job.windowStart.toISOString(), end: job.windowEnd.toISOString() },
    granularity: job.granularity,
    timezone: job.timeZone,
    filters: { modelIds, clientIds, statuses },
    format: job.format,
    focusVersion: job.focusVersion,
    requestedBy: job.requestedBy,
    scheduledFor: job.scheduledFor,
    requestedAt: job.requestedAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    finishedAt: job.finishedAt?.toISOString() ?? null,
    expiresAt: job.expiresAt?.toISOString() ?? null,
    attempt: job.attempt,
    rowsWritten: job.rowsWritten,
    failure: job.failure,
  };
}

export function pageAnswerOf({ jobs, nextCursor }: ExportPage): ExportPageAnswer {
  return { exports: jobs.map(answerOf), nextCursor };
}
