import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsObject, IsOptional, IsString, Length, Max, MaxLength, Min, ValidateNested } from 'class-validator'; // prettier-ignore
import { Optional } from '../platform/http/optional.decorator';
import { INSTANT_FORMS } from '../shared/time-window';
import { USAGE_STATUSES, type UsageStatus } from '../shared/usage-event/usage-event';
import { EXPORT_STATES, type ExportState } from './export-job.entity';
import type { ExportRequest } from './export-request';
import { EXPORT_FORMATS, EXPORT_GRANULARITIES, type ExportFormat, type ExportGranularity, FOCUS_VERSIONS, type FocusVersion, MAX_WINDOW_DAYS } from './file-specification'; // prettier-ignore

const MAX_FILTER_VALUES = 100;
const INSTANT = {
  maxLength: 64,
  description: `${INSTANT_FORMS.charAt(0).toUpperCase()}${INSTANT_FORMS.slice(1)}.`,
};

export class ExportWindowDto {
  @ApiProperty({ ...INSTANT, example: '2026-10-01' })
  @IsString()
  @MaxLength(64)
  start!: string;

  @ApiProperty({ ...INSTANT, example: '2026-11-01', description: `Exclusive. ${INSTANT.description}` })
  @IsString()
  @MaxLength(64)
  end!: string;
}

export class ExportFiltersDto {
  @ApiPropertyOptional({ type: [String], maxItems: MAX_FILTER_VALUES, description: 'Only these models.' })
  @Optional()
  @IsArray()
  @ArrayMaxSize(MAX_FILTER_VALUES)
  @Length(1, 200, { each: true })
  modelIds?: string[];

  @ApiPropertyOptional({ type: [String], maxItems: MAX_FILTER_VALUES, description: 'Only these clients.' })
  @Optional()
  @IsArray()
  @ArrayMaxSize(MAX_FILTER_VALUES)
  @Length(1, 200, { each: true })
  clientIds?: string[];

  @ApiPropertyOptional({
    enum: USAGE_STATUSES,
    isArray: true,
    description: 'Only of the granularity events.',
  })
  @Optional()
  @IsArray()
  @ArrayMaxSize(USAGE_STATUSES.length)
  @IsIn(USAGE_STATUSES, { each: true })
  statuses?: UsageStatus[];
}

export class RequestExportDto {
  @ApiProperty({
    type: ExportWindowDto,
    description: `Half-open; widened to whole buckets of the time zone and then at most ${MAX_WINDOW_DAYS} days.`,
  })
  @IsObject({ message: 'must be given as {start, end}.' })
  @ValidateNested()
  @Type(() => ExportWindowDto)
  window!: ExportWindowDto;

  @ApiProperty({
    enum: EXPORT_GRANULARITIES,
    description: 'events: a row for each call, as long as raw data is kept.',
  })
  @IsIn(EXPORT_GRANULARITIES)
  granularity!: ExportGranularity;

  @ApiPropertyOptional({ default: 'UTC', example: 'Europe/Berlin', description: 'IANA name: of the buckets and of times without an offset.' }) // prettier-ignore
  @Optional()
  @IsString()
  @MaxLength(64)
  timezone?: string;

  @ApiPropertyOptional({ type: ExportFiltersDto })
  @Optional()
  @IsObject({ message: 'must be an object.' })
  @ValidateNested()
  @Type(() => ExportFiltersDto)
  filters?: ExportFiltersDto;

  @ApiPropertyOptional({ enum: EXPORT_FORMATS, default: 'csv', description: 'focus: FinOps Open Cost and Usage Specification.' }) // prettier-ignore
  @Optional()
  @IsIn(EXPORT_FORMATS)
  format?: ExportFormat;

  @ApiPropertyOptional({ type: String, enum: [...FOCUS_VERSIONS, null], nullable: true, default: '1.4', description: 'Only of the format focus.' }) // prettier-ignore
  @IsOptional()
  @IsIn(FOCUS_VERSIONS)
  focusVersion?: FocusVersion | null;
}

export function requestOf(body: RequestExportDto): ExportRequest {
  const { modelIds = [], clientIds = [], statuses = [] } = body.filters ?? {};
  return {
    window: { start: body.window.start, end: body.window.end },
    granularity: body.granularity,
    timezone: body.timezone ?? 'UTC',
    filters: { modelIds, clientIds, statuses },
    format: body.format ?? 'csv',
    focusVersion: body.focusVersion ?? null,
  };
}

export class ListExportsDto {
  @ApiPropertyOptional({ enum: EXPORT_STATES, description: 'Only jobs in this state.' })
  @Optional()
  @IsIn(EXPORT_STATES)
  state?: ExportState;

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
