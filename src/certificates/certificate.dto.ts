import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import { ApiNullable } from '../platform/http/api-nullable.decorator';
import { Optional } from '../platform/http/optional.decorator';
import { FRESHNESS_STATUSES, type FreshnessStatus } from '../shared/messages/get-freshness.query';
import { INSTANT_FORMS } from '../shared/time-window';

const COUNT = { type: 'string', pattern: '^\\d+$', example: '12000000' } as const;
const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const INSTANT = `${INSTANT_FORMS.charAt(0).toUpperCase()}${INSTANT_FORMS.slice(1)}.`;

export class CertificateParameters {
  @ApiProperty({ ...TIME, format: undefined, example: '2026-10-01', description: INSTANT })
  @IsString({ message: 'must be given once.' })
  @MaxLength(64)
  start!: string;

  @ApiProperty({ ...TIME, format: undefined, example: '2026-11-01', description: `Exclusive. ${INSTANT}` })
  @IsString({ message: 'must be given once.' })
  @MaxLength(64)
  end!: string;

  @ApiProperty({ required: false, default: 'UTC', example: 'Europe/Berlin', description: 'IANA name: of times without an offset.' }) // prettier-ignore
  @Optional()
  @IsString({ message: 'must be given once.' })
  @MaxLength(64)
  timezone?: string;
}

class CertificateWindow {
  @ApiProperty(TIME)
  start!: string;

  @ApiProperty({ ...TIME, description: 'Exclusive.' })
  end!: string;
}

/** What the ledger says became of the events that occurred in the window. */
class EventAccount {
  @ApiProperty({ ...COUNT, description: 'The sum of the other four.' })
  received!: string;

  @ApiProperty(COUNT)
  stored!: string;

  @ApiProperty({ ...COUNT, description: 'Sent again, stored once.' })
  duplicates!: string;

  @ApiProperty({ ...COUNT, description: 'Another payload under an identity that was stored; quarantined.' })
  conflicts!: string;

  @ApiProperty({ ...COUNT, description: 'Quarantined for any other reason.' })
  quarantined!: string;
}

class QuarantineReview {
  @ApiProperty({ ...COUNT, description: 'Conflicts that nobody has reviewed.' })
  openConflicts!: string;

  @ApiProperty({ ...COUNT, description: 'Other quarantined events that nobody has reviewed.' })
  openQuarantined!: string;

  @ApiProperty(COUNT)
  replayed!: string;

  @ApiProperty(COUNT)
  dismissed!: string;
}

class CertificateSums {
  @ApiProperty(COUNT)
  requests!: string;

  @ApiProperty({ ...COUNT, required: false, description: 'Of layers that hold tokens.' })
  inputTokens?: string;

  @ApiProperty({ ...COUNT, required: false, description: 'Of layers that hold tokens.' })
  outputTokens?: string;

  @ApiProperty({ type: 'string', required: false, example: '1234.5678901234', description: 'Exact decimal, of layers that hold cost.' }) // prettier-ignore
  cost?: string;
}

const MEASURES = { type: 'object', additionalProperties: { type: 'string' }, nullable: true } as const;

class CertificateDifference {
  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty(TIME)
  bucket!: string;

  @ApiProperty({ required: false })
  modelId?: string;

  @ApiProperty({ type: String, required: false, nullable: true })
  clientId?: string | null;

  @ApiProperty({ type: 'integer', required: false })
  latencyBin?: number;

  @ApiProperty({ ...MEASURES, description: 'null where there should be no row.' })
  expected!: Readonly<Record<string, string>> | null;

  @ApiProperty({ ...MEASURES, description: 'null where there is no row.' })
  found!: Readonly<Record<string, string>> | null;
}

/** One layer of the data held against the one it is made from, over the buckets that lie wholly in the window. */
class CertifiedLayer {
  @ApiProperty({ example: 'usage_hourly' })
  relation!: string;

  @ApiProperty({ example: 'usage_events', description: 'The ledger or the finer rollup where events are no longer kept.' }) // prettier-ignore
  against!: string;

  @ApiProperty({ type: CertificateSums })
  expected!: CertificateSums;

  @ApiProperty({ type: CertificateSums })
  found!: CertificateSums;

  @ApiProperty({ type: 'integer', description: 'Rows that differ.' })
  differing!: number;

  @ApiProperty({ type: 'integer', description: 'Rows that wait for the refresh of late events.' })
  awaiting!: number;

  @ApiProperty({ type: [CertificateDifference], description: 'The first of the rows that differ.' })
  differences!: CertificateDifference[];
}

export class CertificateGap {
  @ApiProperty({ format: 'uuid' })
  gapId!: string;

  @ApiProperty({ type: 'integer' })
  partition!: number;

  @ApiProperty({ enum: ['truncated', 'recreated'] })
  kind!: string;

  @ApiProperty(COUNT)
  fromOffset!: string;

  @ApiProperty({ ...COUNT, nullable: true, description: 'Exclusive; null where nobody knows.' })
  toOffset!: string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'Events that occurred from here on may be lost; null: any.' })
  dataFrom!: string | null;

  @ApiProperty({ ...TIME, description: 'Events that occurred up to here may be lost.' })
  dataThrough!: string;

  @ApiProperty(TIME)
  detectedAt!: string;
}

class CertificateFreshness {
  @ApiProperty(MAYBE_TIME)
  dataThrough!: string | null;

  @ApiProperty({ type: Number, nullable: true })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: FreshnessStatus;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Lost parts of the stream that may have held events of the window and that nobody has acknowledged.', example: 0 }) // prettier-ignore
  openGaps!: number;

  @ApiProperty({ description: 'The window will not change by itself any more.' })
  final!: boolean;
}

export const REASON_CODES = [
  'data_behind',
  'open_data_gap',
  'unreviewed_conflicts',
  'unreviewed_quarantine',
  'awaiting_refresh',
  'layers_differ',
  'still_changing',
] as const;

export class IncompleteReason {
  @ApiProperty({ enum: REASON_CODES })
  code!: (typeof REASON_CODES)[number];

  @ApiProperty({ description: 'What is missing and what to do.' })
  detail!: string;
}

export class Certificate {
  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty({ type: CertificateWindow, description: 'What was asked for, widened to whole hours of UTC.' })
  window!: CertificateWindow;

  @ApiProperty({ description: 'Every event that was received is counted or reviewed, and every layer agrees.' }) // prettier-ignore
  complete!: boolean;

  @ApiProperty({ type: [IncompleteReason], description: 'Why it is not complete; empty when it is.' })
  reasons!: IncompleteReason[];

  @ApiProperty({ type: EventAccount })
  events!: EventAccount;

  @ApiProperty({ type: QuarantineReview })
  review!: QuarantineReview;

  @ApiNullable(CertificateSums, 'Of the single events; null where some of the window are no longer kept.')
  raw!: CertificateSums | null;

  @ApiProperty({ type: [CertifiedLayer] })
  layers!: CertifiedLayer[];

  @ApiProperty({ type: [CertificateGap], description: 'Gaps that reach into the window and that nobody has acknowledged.' }) // prettier-ignore
  openGaps!: CertificateGap[];

  @ApiProperty({ type: CertificateFreshness })
  freshness!: CertificateFreshness;

  @ApiProperty(TIME)
  issuedAt!: string;
}
