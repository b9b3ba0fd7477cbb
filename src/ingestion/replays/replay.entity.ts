import { Column, Entity, PrimaryColumn } from 'typeorm';

export const REPLAY_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type ReplayState = (typeof REPLAY_STATES)[number];

/** What was found while reading again: received = stored + duplicates + conflicts + quarantined + known + expired. */
export interface ReplayCounts {
  readonly messages: number;
  readonly received: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly quarantined: number;
  /** In quarantine since an earlier reading. */
  readonly known: number;
  /** Too old to be told from what was dropped with its raw data. */
  readonly expired: number;
}

/** A request to read a part of a stream again, and what was found. `Replays` writes it, nobody else. */
@Entity('replay_requests')
export class Replay {
  @PrimaryColumn('uuid', { name: 'replay_id' })
  readonly replayId!: string;

  @Column('text')
  readonly state!: ReplayState;

  @Column('smallint')
  readonly partition!: number;

  /** Of the stream when it was asked for. */
  @Column('integer')
  readonly incarnation!: number;

  @Column('bigint', { name: 'from_offset', nullable: true })
  readonly fromOffset!: string | null;

  @Column('timestamptz', { name: 'from_time', nullable: true })
  readonly fromTime!: Date | null;

  /** Exclusive. */
  @Column('bigint', { name: 'to_offset' })
  readonly toOffset!: string;

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

  /** Everything below is read; `null` before the first message. */
  @Column('bigint', { name: 'next_offset', nullable: true })
  readonly nextOffset!: string | null;

  @Column('bigint', { default: 0 })
  readonly messages!: string;

  @Column('bigint', { default: 0 })
  readonly received!: string;

  @Column('bigint', { default: 0 })
  readonly stored!: string;

  @Column('bigint', { default: 0 })
  readonly duplicates!: string;

  @Column('bigint', { default: 0 })
  readonly conflicts!: string;

  @Column('bigint', { default: 0 })
  readonly quarantined!: string;

  @Column('bigint', { default: 0 })
  readonly known!: string;

  @Column('bigint', { default: 0 })
  readonly expired!: string;

  /** A sentence for whoever asked. */
  @Column('text', { nullable: true })
  readonly failure!: string | null;
}
