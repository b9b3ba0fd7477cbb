import { ApiProperty } from '@nestjs/swagger';
import { FRESHNESS_STATUSES, type Freshness } from '../shared/messages/get-freshness.query';
import { USAGE_STATUSES } from '../shared/usage-event/usage-event';
import {
  EXPORT_FORMATS,
  EXPORT_GRANULARITIES,
  type ExportFilters,
  FOCUS_VERSIONS,
} from './file-specification';
import type { ControlTotals } from './writing/control-totals';
import type { Manifest } from './writing/manifest';

const COUNT = { type: 'string', pattern: '^\\d+$', example: '12000000' } as const;
const INSTANT = { type: 'string', format: 'date-time' } as const;

class ManifestFile {
  @ApiProperty()
  name!: string;

  @ApiProperty()
  contentType!: string;

  @ApiProperty({ enum: EXPORT_FORMATS })
  format!: Manifest['file']['format'];

  @ApiProperty({ type: 'string', enum: [...FOCUS_VERSIONS, null], nullable: true })
  focusVersion!: Manifest['file']['focusVersion'];

  @ApiProperty({ type: [String] })
  columns!: readonly string[];

  @ApiProperty({ type: 'integer', description: 'Without the header.' })
  rows!: number;

  @ApiProperty({ type: 'integer' })
  bytes!: number;

  @ApiProperty({ pattern: '^[0-9a-f]{64}$', description: 'Of the bytes as they are downloaded.' })
  sha256!: string;
}

class ManifestWindow {
  @ApiProperty(INSTANT)
  start!: string;

  @ApiProperty({ ...INSTANT, description: 'Exclusive.' })
  end!: string;
}

class ManifestFilters {
  @ApiProperty({ type: [String] })
  modelIds!: string[];

  @ApiProperty({ type: [String] })
  clientIds!: string[];

  @ApiProperty({ enum: USAGE_STATUSES, isArray: true })
  statuses!: string[];
}

class ManifestTotals implements ControlTotals {
  @ApiProperty(COUNT)
  requests!: string;

  @ApiProperty(COUNT)
  inputTokens!: string;

  @ApiProperty({ ...COUNT, description: 'Part of inputTokens.' })
  cachedInputTokens!: string;

  @ApiProperty(COUNT)
  outputTokens!: string;

  @ApiProperty({ type: 'string', example: '1234.5678901234', description: 'Exact decimal.' })
  cost!: string;
}

class ManifestFreshness implements Freshness {
  @ApiProperty({ ...INSTANT, nullable: true })
  dataThrough!: string | null;

  @ApiProperty({ type: 'number', nullable: true })
  lagSeconds!: number | null;

  @ApiProperty({ enum: FRESHNESS_STATUSES })
  status!: Freshness['status'];

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Lost parts of the stream that may have held events of the window and that nobody has acknowledged.', example: 0 }) // prettier-ignore
  openGaps!: number;

  @ApiProperty()
  final!: boolean;
}

class ManifestService {
  @ApiProperty()
  name!: string;

  @ApiProperty()
  version!: string;
}

/** Documents `Manifest`. */
export class ManifestAnswer implements Manifest {
  @ApiProperty({ type: 'integer', enum: [1] })
  schemaVersion!: 1;

  @ApiProperty({ format: 'uuid' })
  jobId!: string;

  @ApiProperty({ format: 'uuid' })
  orgId!: string;

  @ApiProperty({ type: ManifestFile })
  file!: Manifest['file'];

  @ApiProperty({ type: ManifestWindow })
  window!: Manifest['window'];

  @ApiProperty()
  timezone!: string;

  @ApiProperty({ enum: EXPORT_GRANULARITIES })
  granularity!: Manifest['granularity'];

  @ApiProperty({ type: ManifestFilters })
  filters!: ExportFilters;

  @ApiProperty({ pattern: '^[A-Z]{3}$' })
  currency!: string;

  @ApiProperty({
    type: ManifestTotals,
    description: 'Computed by the database and again from the cells of the file.',
  })
  controlTotals!: ControlTotals;

  @ApiProperty({ type: ManifestFreshness })
  freshness!: Freshness;

  @ApiProperty({ description: 'What the file says of the window will not change by itself.' })
  final!: boolean;

  @ApiProperty({ ...INSTANT, nullable: true })
  rollupWatermark!: string | null;

  @ApiProperty({ ...INSTANT, description: 'All of the file is from one snapshot of this moment.' })
  snapshotAt!: string;

  @ApiProperty({ type: 'integer' })
  attempt!: number;

  @ApiProperty({ type: ManifestService })
  service!: Manifest['service'];
}
