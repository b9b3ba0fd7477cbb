import { ApiProperty } from '@nestjs/swagger';
import { ApiNullable } from '../platform/http/api-nullable.decorator';
import {
  QUARANTINE_REASONS,
  type QuarantineReason,
  USAGE_STATUSES,
  type UsageStatus,
} from '../shared/usage-event/usage-event';
import { QUARANTINE_STATES, type QuarantineState } from './quarantine/quarantine.dto';

const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const MAYBE_TEXT = { type: String, nullable: true } as const;
const MAYBE_COUNT = { type: 'integer', nullable: true } as const;

/** The event as it is stored. */
export class StoredEvent {
  @ApiProperty(TIME)
  occurredAt!: string;

  @ApiProperty({ ...TIME, description: 'When it was stored.' })
  receivedAt!: string;

  @ApiProperty()
  modelId!: string;

  @ApiProperty(MAYBE_TEXT)
  clientId!: string | null;

  @ApiProperty(MAYBE_TEXT)
  actorId!: string | null;

  @ApiProperty({ enum: USAGE_STATUSES })
  status!: UsageStatus;

  @ApiProperty(MAYBE_TEXT)
  errorCode!: string | null;

  @ApiProperty({ type: 'integer' })
  latencyMs!: number;

  @ApiProperty(MAYBE_COUNT)
  timeToFirstTokenMs!: number | null;

  @ApiProperty({ type: 'integer' })
  inputTokens!: number;

  @ApiProperty(MAYBE_COUNT)
  cachedInputTokens!: number | null;

  @ApiProperty({ type: 'integer' })
  outputTokens!: number;

  @ApiProperty({ type: String, description: 'Exact decimal.', example: '0.0012345' })
  cost!: string;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  metadata!: Record<string, string> | null;

  @ApiProperty({
    description: 'Every answer has it; false while late events of its hour wait for a refresh.',
  })
  counted!: boolean;
}

/** One time that an event of this identity was quarantined. */
export class QuarantineEntry {
  @ApiProperty({ format: 'uuid' })
  quarantineId!: string;

  @ApiProperty({ enum: QUARANTINE_REASONS })
  reason!: QuarantineReason;

  @ApiProperty()
  detail!: string;

  @ApiProperty({ enum: QUARANTINE_STATES })
  state!: QuarantineState;

  @ApiProperty(TIME)
  quarantinedAt!: string;

  @ApiProperty(MAYBE_TIME)
  reviewedAt!: string | null;

  @ApiProperty(MAYBE_TEXT)
  reviewedBy!: string | null;

  @ApiProperty({ ...MAYBE_TEXT, enum: ['stored', 'duplicate', null] })
  replayOutcome!: string | null;
}

export class Receipt {
  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty({ format: 'uuid' })
  eventId!: string;

  @ApiProperty({ enum: ['stored', 'quarantined'], description: 'stored: it is counted once, whatever else arrived under its identity.' }) // prettier-ignore
  state!: 'stored' | 'quarantined';

  @ApiNullable(StoredEvent, 'null while it is quarantined.')
  event!: StoredEvent | null;

  @ApiProperty({ type: [QuarantineEntry], description: 'Newest first.' })
  quarantine!: QuarantineEntry[];
}
