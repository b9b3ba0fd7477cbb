import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { UsageStatus } from '../shared/usage-event/usage-event';
import type { ExportFormat, ExportGranularity, FileSpecification, FocusVersion } from './file-specification';

export const EXPORT_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
export type ExportState = (typeof EXPORT_STATES)[number];

/** A request for a file and what became of it. `ExportJobs` writes it, nobody else. */
@Entity('export_jobs')
export class ExportJob {
  @PrimaryColumn('uuid', { name: 'job_id' })
  readonly jobId!: string;

  @Column('uuid', { name: 'org_id' })
  readonly orgId!: string;

  @Column('text')
  readonly state!: ExportState;

  @Column('timestamptz', { name: 'window_start' })
  readonly windowStart!: Date;

  @Column('timestamptz', { name: 'window_end' })
  readonly windowEnd!: Date;

  @Column('text')
  readonly granularity!: ExportGranularity;

  @Column('text', { name: 'time_zone' })
  readonly timeZone!: string;

  @Column('text', { name: 'model_ids', array: true })
  readonly modelIds!: string[];

  @Column('text', { name: 'client_ids', array: true })
  readonly clientIds!: string[];

  @Column('text', { array: true })
  readonly statuses!: UsageStatus[];

  @Column('text')
  readonly format!: ExportFormat;

  @Column('text', { name: 'focus_version', nullable: true })
  readonly focusVersion!: FocusVersion | null;

  @Column('text', { name: 'requested_by' })
  readonly requestedBy!: string;

  @Column('timestamptz', { name: 'requested_at', default: () => 'now()' })
  readonly requestedAt!: Date;

  @Column('text', { name: 'idempotency_key', nullable: true })
  readonly idempotencyKey!: string | null;

  @Column('bytea', { name: 'request_hash' })
  readonly requestHash!: Buffer;

  /** The month of a scheduled export, such as 2026-10. */
  @Column('text', { name: 'scheduled_for', nullable: true })
  readonly scheduledFor!: string | null;

  @Column('integer', { default: 0 })
  readonly attempt!: number;

  @Column('integer', { default: 0 })
  readonly failures!: number;

  @Column('timestamptz', { name: 'available_at', default: () => 'now()' })
  readonly availableAt!: Date;

  @Column('text', { nullable: true })
  readonly worker!: string | null;

  @Column('timestamptz', { name: 'started_at', nullable: true })
  readonly startedAt!: Date | null;

  @Column('timestamptz', { name: 'heartbeat_at', nullable: true })
  readonly heartbeatAt!: Date | null;

  @Column('timestamptz', { name: 'finished_at', nullable: true })
  readonly finishedAt!: Date | null;

  @Column('bigint', { name: 'rows_written', default: 0 })
  readonly rowsWritten!: string;

  /** A sentence for whoever asked. */
  @Column('text', { nullable: true })
  readonly failure!: string | null;

  @Column('text', { name: 'artifact_key', nullable: true })
  readonly artifactKey!: string | null;

  /** The text of the file that stands beside the artifact. */
  @Column('text', { nullable: true })
  readonly manifest!: string | null;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  readonly expiresAt!: Date | null;

  /** When nothing of the job was left in the artifact store. */
  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  readonly deletedAt!: Date | null;
}

/** What the job's file is to hold. */
export function specificationOf(job: ExportJob): FileSpecification {
  return {
    window: { start: job.windowStart.getTime(), end: job.windowEnd.getTime() },
    granularity: job.granularity,
    timeZone: job.timeZone,
    filters: { modelIds: job.modelIds, clientIds: job.clientIds, statuses: job.statuses },
    format: job.format,
    focusVersion: job.focusVersion,
  };
}
