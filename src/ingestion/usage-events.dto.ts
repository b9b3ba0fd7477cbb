import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { QUARANTINE_REASONS, type QuarantineReason } from '../shared/usage-event/usage-event';

export const RESULT_STATUSES = ['accepted', 'duplicate', 'conflict', 'rejected'] as const;

/** What became of one event of a request. */
export class UsageEventResult {
  @ApiProperty({ type: 'integer', description: 'Place of the event in the request, from 0.' })
  index!: number;

  @ApiProperty({ type: 'string', format: 'uuid', nullable: true })
  eventId!: string | null;

  @ApiProperty({
    enum: RESULT_STATUSES,
    description:
      'accepted: safe with the broker, or stored. duplicate and conflict are known only where the service runs without a broker.',
  })
  status!: (typeof RESULT_STATUSES)[number];

  @ApiPropertyOptional({ enum: QUARANTINE_REASONS })
  reason?: QuarantineReason;

  @ApiPropertyOptional({ description: 'Names the field and what is allowed.' })
  detail?: string;
}

export class UsageEventsAnswer {
  @ApiProperty({
    type: [UsageEventResult],
    description: 'One result per event, in the order of the request.',
  })
  results!: UsageEventResult[];
}
