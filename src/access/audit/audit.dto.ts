import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsString, IsUUID, Length, Max, MaxLength, Min } from 'class-validator';
import { Optional } from '../../platform/http/optional.decorator';
import { INSTANT_FORMS } from '../../shared/time-window';
import { PERMISSIONS, type Permission } from '../permissions';

const DECISIONS = ['granted', 'refused'] as const;
const INSTANT = `${INSTANT_FORMS.charAt(0).toUpperCase()}${INSTANT_FORMS.slice(1)}.`;

export class ListAuditDto {
  @ApiPropertyOptional({ description: 'Only decisions on this principal, by its id.' })
  @Optional()
  @IsString()
  @Length(1, 256)
  principalId?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only decisions on this organisation.' })
  @Optional()
  @IsUUID(undefined, { message: 'must be a UUID.' })
  orgId?: string;

  @ApiPropertyOptional({ enum: PERMISSIONS, description: 'Only where this permission was asked for.' })
  @Optional()
  @IsIn(PERMISSIONS, { message: `must be one of ${PERMISSIONS.join(', ')}.` })
  permission?: Permission;

  @ApiPropertyOptional({ enum: DECISIONS })
  @Optional()
  @IsIn(DECISIONS, { message: `must be one of ${DECISIONS.join(', ')}.` })
  decision?: (typeof DECISIONS)[number];

  @ApiPropertyOptional({ description: `Decided from here on. ${INSTANT}` })
  @Optional()
  @IsString()
  @MaxLength(64)
  start?: string;

  @ApiPropertyOptional({ description: `Decided before. ${INSTANT}` })
  @Optional()
  @IsString()
  @MaxLength(64)
  end?: string;

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

/** A decision on a request: who was let in where, or was not. */
export class AuditEntryAnswer {
  @ApiProperty({ type: 'string', description: '1, 2, 3 and so on without gaps, over all organisations.' })
  sequence!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  decidedAt!: Date;

  @ApiProperty({ description: 'Subject of the token, or id of the API key.' })
  principalId!: string;

  @ApiProperty({ enum: ['jwt', 'api-key'] })
  principalKind!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'null: a credential of the platform.' }) // prettier-ignore
  principalOrgId!: string | null;

  @ApiProperty({ type: [String] })
  principalRoles!: string[];

  @ApiProperty({ type: String, nullable: true, description: 'What the route asks for.' })
  permission!: string | null;

  @ApiProperty()
  method!: string;

  @ApiProperty({ example: '/analytics/v1/orgs/:orgId/exports' })
  route!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Organisation of the path.' })
  orgId!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'What else the path names, such as an export or a key.' }) // prettier-ignore
  resourceId!: string | null;

  @ApiProperty({ enum: DECISIONS })
  decision!: (typeof DECISIONS)[number];

  @ApiProperty({ description: 'x-request-id of the answer.' })
  requestId!: string;

  @ApiProperty({ description: 'SHA-256 in hexadecimal of this entry and the hash of the one before it.' })
  hash!: string;
}

export class AuditPage {
  @ApiProperty({ type: [AuditEntryAnswer] })
  entries!: AuditEntryAnswer[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}
