import { ApiProperty } from '@nestjs/swagger';
import { FRESHNESS_STATUSES, type FreshnessStatus } from '../shared/messages/get-freshness.query';

const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const SHARE = { type: Number, nullable: true, minimum: 0, maximum: 1, description: 'Of the events received; null when there were none.' } as const; // prettier-ignore

export class ModelFreshness {
  @ApiProperty({ example: 'meta/llama-3-70b' })
  modelId!: string;

  @ApiProperty({ ...TIME, description: 'When its last request occurred.' })
  lastEventAt!: string;

  @ApiProperty({ ...TIME, description: 'When the last of its latest requests was stored.' })
  lastArrivalAt!: string;

  @ApiProperty({ ...MAYBE_TIME, description: 'Rollups are materialised up to here; what is later is computed when asked.' }) // prettier-ignore
  watermark!: string | null;

  @ApiProperty({ type: Number, nullable: true, description: 'Seconds by which the pipeline is behind.' })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: FreshnessStatus;
}

export class OrgFreshness {
  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty({ enum: FRESHNESS_STATUSES, description: 'The worst of its models; an organisation that sends nothing is as fresh as the pipeline is.' }) // prettier-ignore
  status!: FreshnessStatus;

  @ApiProperty({ ...MAYBE_TIME, description: 'Everything that occurred before it and was sent in time is counted, but for what openGaps tells of; null before the first event.' }) // prettier-ignore
  dataThrough!: string | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'Seconds from dataThrough to now.',
    example: 0.4,
  })
  lagSeconds!: number | null;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Lost parts of the stream that nobody has acknowledged; they may have held events of the organisation.', example: 0 }) // prettier-ignore
  openGaps!: number;

  @ApiProperty({ ...MAYBE_TIME, description: 'Rollups are materialised up to here; what is later is computed when asked.' }) // prettier-ignore
  watermark!: string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'Last request that is still kept; null when there is none.' })
  lastEventAt!: string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'When that request, or one beside it, was stored last.' })
  lastArrivalAt!: string | null;

  @ApiProperty({ type: [ModelFreshness], description: 'Models used within the last 24 hours.' })
  models!: ModelFreshness[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Always null: the answer is whole.',
    example: null,
  })
  nextCursor!: null;
}

export class PartitionIngestion {
  @ApiProperty({ type: 'integer', example: 0 })
  partition!: number;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Replica that owns it; "direct" without a broker.',
  })
  owner!: string | null;

  @ApiProperty({ type: 'integer', description: 'Grows at each change of owner.' })
  epoch!: number | string;

  @ApiProperty({ type: 'integer', description: 'Counts the streams that have stood behind this cursor.' })
  incarnation!: number;

  @ApiProperty({ type: 'integer', description: 'Everything below it in the stream is committed.' })
  nextOffset!: number | string;

  @ApiProperty({ type: 'integer', description: 'Messages that wait in the stream.' })
  backlog!: number | string;

  @ApiProperty({ ...MAYBE_TIME, description: 'Everything that occurred before it and was sent in time is committed.' }) // prettier-ignore
  dataThrough!: string | null;

  @ApiProperty({ type: Number, nullable: true })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: FreshnessStatus;

  @ApiProperty(MAYBE_TIME)
  lastCommitAt!: string | null;

  @ApiProperty({ type: Number, description: 'Events received per second.', example: 2_950.4 })
  eventsPerSecond!: number;

  @ApiProperty({ type: 'integer' })
  received!: number | string;

  @ApiProperty({ type: 'integer' })
  stored!: number | string;

  @ApiProperty({ ...SHARE, description: `Duplicates. ${SHARE.description}` })
  dedupeRate!: number | null;

  @ApiProperty({ ...SHARE, description: `Conflicts and quarantined events. ${SHARE.description}` })
  rejectRate!: number | null;

  @ApiProperty({ type: 'integer', description: 'Lost parts of the stream that nobody has acknowledged.' })
  openGaps!: number;
}

export class IngestionAnswer {
  @ApiProperty({ type: 'integer', description: 'Seconds up to now that rates and counts are about.' })
  observedSeconds!: number;

  @ApiProperty({ type: [PartitionIngestion] })
  partitions!: PartitionIngestion[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Always null: the answer is whole.',
    example: null,
  })
  nextCursor!: null;
}
