import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { ArrayMaxSize, ArrayNotEmpty, IsArray, IsIn, IsInt, IsISO8601, IsOptional, IsString, IsUUID, Length, Matches, Max, MaxLength, Min } from 'class-validator'; // prettier-ignore
import { PRINCIPAL_ROLES } from '../../platform/config/settings';
import { Optional } from '../../platform/http/optional.decorator';
import { AppError } from '../../shared/errors';
import type { Role } from '../permissions';
import type { ApiKey } from './api-key.entity';
import type { ShownKey } from './commands/create-api-key.command';
import type { ApiKeyPage } from './queries/list-api-keys.query';

const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const KEY_STATES = ['live', 'expired', 'revoked'] as const;
const ROLES = `must be a list of roles: ${PRINCIPAL_ROLES.join(', ')}.`;
const LONGEST_OVERLAP_HOURS = 720;
const OVERLAP = `must be a whole number from 0 to ${LONGEST_OVERLAP_HOURS}.`;

export class CreateApiKeyDto {
  @ApiProperty({ minLength: 1, maxLength: 200, description: 'What the key is for, for people.' })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @IsString({ message: 'must be a text.' })
  @Length(1, 200, { message: 'must have 1 to 200 characters.' })
  @Matches(/^[^\u0000-\u001f\u007f]*$/, { message: 'must be one line without control characters.' })
  name!: string;

  @ApiProperty({ enum: PRINCIPAL_ROLES, isArray: true, description: 'None that allows more than you may yourself.' }) // prettier-ignore
  @IsArray({ message: ROLES })
  @ArrayNotEmpty({ message: ROLES })
  @ArrayMaxSize(PRINCIPAL_ROLES.length, { message: ROLES })
  @IsIn(PRINCIPAL_ROLES, { each: true, message: ROLES })
  roles!: Role[];

  @ApiPropertyOptional({ ...MAYBE_TIME, description: 'Exclusive; null or left out, the key does not expire.' }) // prettier-ignore
  @IsOptional()
  @IsISO8601({ strict: true }, { message: 'must be a time of ISO 8601.' })
  @MaxLength(64)
  expiresAt?: string | null;
}

export class CreateAnyApiKeyDto extends CreateApiKeyDto {
  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true, description: 'Organisation of the key; null or left out, it is the platform’s own.' }) // prettier-ignore
  @IsOptional()
  @IsUUID(undefined, { message: 'must be a UUID.' })
  orgId?: string | null;
}

export class RotateApiKeyDto {
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: LONGEST_OVERLAP_HOURS, default: 24, description: 'For how many hours the old key goes on working beside the new one.' }) // prettier-ignore
  @Optional()
  @IsInt({ message: OVERLAP })
  @Min(0, { message: OVERLAP })
  @Max(LONGEST_OVERLAP_HOURS, { message: OVERLAP })
  overlapHours?: number;
}

export class ListApiKeysDto {
  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @Optional()
  @Matches(/^[A-Za-z0-9]{4,40}$/, { message: 'must be the nextCursor of the page before.' })
  cursor?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @Optional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit?: number;
}

export class ApiKeyAnswer {
  @ApiProperty({ description: 'The middle of ak_<keyId>_<secret>; what logs and the audit show.' })
  keyId!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'null: the platform’s own.' })
  orgId!: string | null;

  @ApiProperty()
  name!: string;

  @ApiProperty({ enum: PRINCIPAL_ROLES, isArray: true })
  roles!: Role[];

  @ApiProperty({ enum: KEY_STATES })
  state!: (typeof KEY_STATES)[number];

  @ApiProperty({ description: 'Id of the principal.' })
  createdBy!: string;

  @ApiProperty(TIME)
  createdAt!: string;

  @ApiProperty(MAYBE_TIME)
  expiresAt!: string | null;

  @ApiProperty(MAYBE_TIME)
  revokedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Id of the principal.' })
  revokedBy!: string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'To the minute.' })
  lastUsedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Id of the key that this one was rotated from.' })
  replaces!: string | null;
}

export class MadeApiKeyAnswer extends ApiKeyAnswer {
  @ApiProperty({ description: 'The key itself: send it as X-API-Key. It is shown this once and kept nowhere.' }) // prettier-ignore
  key!: string;
}

export class ApiKeyPageAnswer {
  @ApiProperty({ type: [ApiKeyAnswer] })
  keys!: ApiKeyAnswer[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}

export function answerOf(key: ApiKey, now: Date): ApiKeyAnswer {
  const { keyId, orgId, name, roles, createdBy, expiresAt, revokedAt, revokedBy, lastUsedAt, replaces } = key;
  const isOver = expiresAt !== null && expiresAt <= now;
  return {
    keyId,
    orgId,
    name,
    roles,
    state: revokedAt !== null ? 'revoked' : isOver ? 'expired' : 'live',
    createdBy,
    createdAt: key.createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
    revokedBy,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    replaces,
  };
}

export function madeAnswerOf({ row, text }: ShownKey, now: Date): MadeApiKeyAnswer {
  return { ...answerOf(row, now), key: text };
}

export function pageAnswerOf({ keys, nextCursor }: ApiKeyPage, now: Date): ApiKeyPageAnswer {
  return { keys: keys.map((key) => answerOf(key, now)), nextCursor };
}

/** The time at which the key ends, which must lie ahead. */
export function expiryOf({ expiresAt }: CreateApiKeyDto, now: Date): Date | null {
  if (expiresAt === undefined || expiresAt === null) return null;
  const expiry = new Date(expiresAt);
  if (expiry > now) return expiry;
  const detail = 'must lie in the future.';
  throw new AppError('invalid', `expiresAt: ${detail}`, { violations: [{ pointer: '/expiresAt', detail }] });
}
