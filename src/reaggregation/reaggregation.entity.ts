import { Column, Entity, PrimaryColumn } from 'typeorm';

export const REAGGREGATION_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type ReaggregationState = (typeof REAGGREGATION_STATES)[number];

/** A request to compute rollups again from events, and how far it is. `Reaggregations` writes it, nobody else. */
@Entity('reaggregations')
export class Reaggregation {
  @PrimaryColumn('uuid', { name: 'job_id' })
  readonly jobId!: string;

  @Column('text')
  readonly state!: ReaggregationState;

  @Column('timestamptz', { name: 'window_start' })
  readonly windowStart!: Date;

  @Column('timestamptz', { name: 'window_end' })
  readonly windowEnd!: Date;

  /** `null`: all organisations. */
  @Column('uuid', { name: 'org_id', nullable: true })
  readonly orgId!: string | null;

  @Column('text', { name: 'requested_by' })
  readonly requestedBy!: string;

  @Column('timestamptz', { name: 'requested_at', default: () => 'now()' })
  readonly requestedAt!: Date;

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

  /** Everything of the window below it is rebuilt. */
  @Column('timestamptz', { name: 'rebuilt_through' })
  readonly rebuiltThrough!: Date;

  @Column('bigint', { name: 'rows_read', default: 0 })
  readonly rowsRead!: string;

  /** A sentence for whoever asked. */
  @Column('text', { nullable: true })
  readonly failure!: string | null;
}
