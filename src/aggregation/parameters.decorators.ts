import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, ValidateBy } from 'class-validator';

const MOST_VALUES = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Each decorator is one query parameter: its documentation, how it is read and the one rule it keeps to. */
function parameter(
  options: ApiPropertyOptions,
  read: (value: unknown) => unknown,
  allowed: string,
  isAllowed: (value: unknown) => boolean,
): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional(options),
    Transform(({ value }: { value: unknown }) => read(value)),
    IsOptional(),
    ValidateBy({ name: 'allowed', validator: { validate: isAllowed, defaultMessage: () => allowed } }),
  );
}

/** An empty value is none: dashboards send their variables even when nothing is chosen. */
export function Text(longest: number, options: ApiPropertyOptions): PropertyDecorator {
  return parameter(
    { type: String, maxLength: longest, ...options },
    absentWhenEmpty,
    `must be given once, as a text of at most ${longest} characters.`,
    (value) => isText(value, longest),
  );
}

export function OneOf(choices: readonly string[], options: ApiPropertyOptions): PropertyDecorator {
  return parameter(
    { ...options, enum: choices },
    absentWhenEmpty,
    `must be one of ${choices.join(', ')}.`,
    (value) => choices.includes(value as string),
  );
}

export function WholeNumber(min: number, max: number, options: ApiPropertyOptions): PropertyDecorator {
  return parameter(
    { ...options, type: 'integer', minimum: min, maximum: max } as ApiPropertyOptions,
    (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : absentWhenEmpty(value)),
    `must be a whole number from ${min} to ${max}.`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  );
}

interface ListRule {
  readonly options: ApiPropertyOptions;
  /** Completes "must be …". */
  readonly allowed: string;
  readonly isAllowed: (value: string) => boolean;
  readonly most?: number;
  /** What an empty value stands for. */
  readonly empty?: string;
}

/** Several values: repeated, or separated by commas. Empty and `*`, which dashboards send for "all", are none. */
export function Many({
  options,
  allowed,
  isAllowed,
  most = MOST_VALUES,
  empty = 'all',
}: ListRule): PropertyDecorator {
  return parameter(
    { ...options, isArray: true, maxItems: most, description: `${options.description} Repeatable or comma-separated; empty or * for ${empty}.` }, // prettier-ignore
    readList,
    `must be at most ${most} of ${allowed}.`,
    (value) => Array.isArray(value) && value.length <= most && value.every((each) => typeof each === 'string' && isAllowed(each)), // prettier-ignore
  );
}

/** Values of a dimension whose values are free text. */
export function Names(description: string, example: string): PropertyDecorator {
  return Many({
    options: { type: String, description, example: [example] },
    allowed: 'texts of at most 200 characters',
    isAllowed: (value) => isText(value, 200),
  });
}

export function OrgIds(): PropertyDecorator {
  return Many({
    options: { type: String, format: 'uuid', description: 'Only these organisations.' },
    allowed: 'UUIDs',
    isAllowed: (value) => UUID.test(value),
  });
}

export function GroupBy(dimensions: readonly string[], description: string): PropertyDecorator {
  return Many({
    options: { enum: dimensions, description, example: ['model'] },
    allowed: dimensions.join(', '),
    isAllowed: (value) => dimensions.includes(value),
    most: dimensions.length,
    empty: 'none',
  });
}

function readList(value: unknown): unknown {
  const given = (Array.isArray(value) ? value : [value]) as unknown[];
  const parts = given.flatMap((each) => (typeof each === 'string' ? each.split(',') : [each]));
  const named = parts
    .map((each) => (typeof each === 'string' ? each.trim() : each))
    .filter((each) => each !== '');
  return named.length === 0 || named.includes('*') ? undefined : [...new Set(named)];
}

function absentWhenEmpty(value: unknown): unknown {
  return value === '' ? undefined : value;
}

/** PostgreSQL stores no NUL, so nothing that is there can be meant by one. */
function isText(value: unknown, longest: number): boolean {
  return typeof value === 'string' && value.length <= longest && !value.includes('\0');
}
