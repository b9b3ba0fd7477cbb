import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { INSTANT_FORMS } from '../shared/time-window';
import { GRANULARITIES } from '../shared/time-zone';

const MOST_FILTER_VALUES = 100;
const MOST_PERCENTILES = 10;

export const USAGE_ORDERS = ['requests', 'inputTokens', 'cachedInputTokens', 'outputTokens', 'totalTokens', 'cost'] as const; // prettier-ignore
export const RELIABILITY_ORDERS = ['requests', 'successes', 'errors', 'timeouts', 'throttled', 'latencyMaxMs'] as const; // prettier-ignore
export type Order = (typeof USAGE_ORDERS)[number] | (typeof RELIABILITY_ORDERS)[number];

/** One value, several as `a=1&a=2`, or several as `a=1,2`. Empty text and `*`, as dashboards send for "all", ask for nothing. */
function many(value: unknown): unknown {
  const given = (Array.isArray(value) ? value : [value]) as unknown[];
  const texts = given.flatMap((each) => (typeof each === 'string' ? each.split(',') : [each]));
  const named = texts
    .map((each) => (typeof each === 'string' ? each.trim() : each))
    .filter((each) => each !== '');
  return named.length === 0 || named.includes('*') ? undefined : [...new Set(named)];
}

function Many(options: ApiPropertyOptions): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ ...options, isArray: true, description: `${options.description} Repeatable or comma-separated; empty or * for all.` } as ApiPropertyOptions), // prettier-ignore
    Transform(({ value }) => many(value)),
    IsOptional(),
  );
}

function OneOf(choices: readonly string[], options: ApiPropertyOptions): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ ...options, enum: choices } as ApiPropertyOptions),
    emptyIsAbsent(),
    IsIn(choices, { message: `must be one of ${choices.join(', ')}.` }),
  );
}

function emptyIsAbsent(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value)),
    IsOptional(),
  );
}

function WholeNumber(min: number, max: number, options: ApiPropertyOptions): PropertyDecorator {
  const message = `must be a whole number from ${min} to ${max}.`;
  return applyDecorators(
    ApiPropertyOptional({ ...options, type: 'integer', minimum: min, maximum: max } as ApiPropertyOptions),
    Transform(({ value }: { value: unknown }) => (value === '' ? undefined : typeof value === 'string' ? Number(value) : value)), // prettier-ignore
    IsOptional(),
    IsInt({ message }),
    Min(min, { message }),
    Max(max, { message }),
  );
}

function Text(longest: number, options: ApiPropertyOptions): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ type: String, ...options } as ApiPropertyOptions),
    emptyIsAbsent(),
    IsString({ message: 'must be given once.' }),
    MaxLength(longest, { message: `must have at most ${longest} characters.` }),
  );
}

function GroupBy(dimensions: readonly string[]): PropertyDecorator {
  return applyDecorators(
    Many({ enum: dimensions, description: `A row per bucket and each of these, in any combination.`, example: ['model'] }), // prettier-ignore
    IsIn(dimensions, { each: true, message: `must be among ${dimensions.join(', ')}.` }),
  );
}

/** What range of time a question is about. Without any it is the last 24 hours. */
export class WindowParameters {
  @Text(40, { default: 'now-24h', example: '2026-11-01T00:00:00Z', description: `Included: ${INSTANT_FORMS}. Moved back to the start of its bucket.` }) // prettier-ignore
  start?: string;

  @Text(40, { default: 'now', example: 'now', description: `Excluded, in the same forms. Moved on to the end of its bucket.` }) // prettier-ignore
  end?: string;

  @Text(60, { default: 'UTC', example: 'Europe/Berlin', description: 'Zone of the IANA database in which hours, days, weeks and months begin.' }) // prettier-ignore
  timezone?: string;
}

/** The parameters that every question for a series has in common. */
export class SeriesParameters extends WindowParameters {
  @OneOf([...GRANULARITIES, 'auto'], { default: 'auto', description: 'Length of a bucket; weeks begin on Monday. auto: the finest with at most maxPoints buckets.' }) // prettier-ignore
  granularity?: (typeof GRANULARITIES)[number] | 'auto';

  @WholeNumber(1, 100_000, { default: 400, description: 'With granularity=auto: about how many buckets.' })
  maxPoints?: number;

  @Many({ type: String, description: 'Only these models.', example: ['meta/llama-3-70b'] })
  @ArrayMaxSize(MOST_FILTER_VALUES, { message: `must name at most ${MOST_FILTER_VALUES} models.` })
  @IsString({ each: true })
  @MaxLength(200, { each: true, message: 'must have at most 200 characters each.' })
  modelId?: string[];

  @Many({ type: String, description: 'Only these clients.', example: ['checkout-service'] })
  @ArrayMaxSize(MOST_FILTER_VALUES, { message: `must name at most ${MOST_FILTER_VALUES} clients.` })
  @IsString({ each: true })
  @MaxLength(200, { each: true, message: 'must have at most 200 characters each.' })
  clientId?: string[];

  @OneOf(['none', 'zero'], { default: 'none', description: 'zero: a row also for buckets without requests that have begun.' }) // prettier-ignore
  fill?: 'none' | 'zero';

  @WholeNumber(1, 1_000, { description: 'Only the groups that lead by orderBy over the window; the rest is one group "other", so that totals hold.' }) // prettier-ignore
  limit?: number;

  @OneOf(['previous'], { description: 'Adds the same number of buckets directly before.' })
  compare?: 'previous';
}

const ORG_GROUPS = ['model', 'client', 'status'] as const;
const PLATFORM_GROUPS = ['org', 'model', 'client'] as const;
const BY_ORDER = 'Measure by which limit chooses groups, largest first.';
const BY_PERCENTILE = `Up to ${MOST_PERCENTILES} of 0 to 100 with at most 3 decimals, as columns p50Ms, p99_9Ms; or none.`;

function OrderBy(orders: readonly string[]): PropertyDecorator {
  return OneOf(orders, { default: 'requests', description: BY_ORDER });
}

function Percentiles(): PropertyDecorator {
  return applyDecorators(
    Many({ type: String, default: ['50', '95', '99'], description: BY_PERCENTILE, example: ['50', '99.9'] }),
    ArrayMaxSize(MOST_PERCENTILES, { message: `must name at most ${MOST_PERCENTILES} percentiles.` }),
    Matches(/^(none|100(\.0{1,3})?|(?!0+(\.0*)?$)\d{1,2}(\.\d{1,3})?)$/, {
      each: true,
      message: 'must be numbers above 0, at most 100, with at most 3 decimals, or none.',
    }),
  );
}

function OrgIds(): PropertyDecorator {
  return applyDecorators(
    Many({ type: String, format: 'uuid', description: 'Only these organisations.' }),
    ArrayMaxSize(MOST_FILTER_VALUES, { message: `must name at most ${MOST_FILTER_VALUES} organisations.` }),
    IsUUID('all', { each: true, message: 'must be UUIDs.' }),
  );
}

export class UsageParameters extends SeriesParameters {
  @GroupBy(ORG_GROUPS)
  groupBy?: (typeof ORG_GROUPS)[number][];

  @OrderBy(USAGE_ORDERS)
  orderBy?: (typeof USAGE_ORDERS)[number];
}

export class ReliabilityParameters extends SeriesParameters {
  @GroupBy(ORG_GROUPS)
  groupBy?: (typeof ORG_GROUPS)[number][];

  @OrderBy(RELIABILITY_ORDERS)
  orderBy?: (typeof RELIABILITY_ORDERS)[number];

  @Percentiles()
  percentile?: string[];
}

export class PlatformUsageParameters extends SeriesParameters {
  @GroupBy(PLATFORM_GROUPS)
  groupBy?: (typeof PLATFORM_GROUPS)[number][];

  @OrgIds()
  orgId?: string[];

  @OrderBy(USAGE_ORDERS)
  orderBy?: (typeof USAGE_ORDERS)[number];
}

export class PlatformReliabilityParameters extends SeriesParameters {
  @GroupBy(PLATFORM_GROUPS)
  groupBy?: (typeof PLATFORM_GROUPS)[number][];

  @OrgIds()
  orgId?: string[];

  @OrderBy(RELIABILITY_ORDERS)
  orderBy?: (typeof RELIABILITY_ORDERS)[number];

  @Percentiles()
  percentile?: string[];
}
