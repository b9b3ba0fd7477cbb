import { readFileSync, statSync } from 'node:fs';
import { Injectable, Logger } from '@nestjs/common';
import Ajv from 'ajv';
import { LineCounter, parseDocument } from 'yaml';
import { type Config, ConfigError } from '../platform/config/config';
import { COST_DIGITS, unitsOfDecimal } from '../shared/decimal';
import { TimeZone } from '../shared/time-zone';
import { budgetFileValid } from './budget.metrics';

export const BUDGET_PERIODS = ['month', 'day'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];
export const FORECAST_METHODS = ['linear', 'same-weekday'] as const;
export type ForecastMethod = (typeof FORECAST_METHODS)[number];

/** What an organisation means to spend in a month or a day of its time zone. */
export interface Budget {
  /** In lower case. */
  readonly orgId: string;
  readonly period: BudgetPeriod;
  /** Exact decimal in the service's currency, above zero. */
  readonly amount: string;
  readonly zone: TimeZone;
  /** In percent of the amount, ascending. */
  readonly thresholds: readonly number[];
  readonly forecast: ForecastMethod;
  /** Where a threshold is told that was reached. */
  readonly webhook: string | null;
}

interface Entry {
  readonly org: string;
  readonly period: BudgetPeriod;
  readonly amount: string;
  readonly timezone?: string;
  readonly thresholds: readonly number[];
  readonly forecast?: ForecastMethod;
  readonly webhook?: string;
}

/** The file's form; what goes beyond a schema is checked in `mistakesOf`. */
const SCHEMA = {
  type: 'object',
  required: ['version', 'budgets'],
  additionalProperties: false,
  properties: {
    version: { const: 1 },
    budgets: {
      type: 'array',
      items: {
        type: 'object',
        required: ['org', 'period', 'amount', 'thresholds'],
        additionalProperties: false,
        properties: {
          org: { type: 'string', pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' },
          period: { enum: BUDGET_PERIODS },
          amount: { type: 'string', pattern: '^[0-9]{1,18}(\\.[0-9]{1,10})?$' },
          timezone: { type: 'string' },
          thresholds: {
            type: 'array',
            minItems: 1,
            maxItems: 20,
            uniqueItems: true,
            items: { type: 'integer', minimum: 1, maximum: 1000 },
          },
          forecast: { enum: FORECAST_METHODS },
          webhook: { type: 'string', pattern: '^https?://[^\\s]+$' },
        },
      },
    },
  },
};
const validate = new Ajv({ allErrors: true }).compile<{ budgets: readonly Entry[] }>(SCHEMA);
/** What a value must be, where the schema's own words would puzzle. */
const MUST_BE: Readonly<Record<string, string>> = {
  org: 'must be a UUID',
  amount: "must be an exact decimal in quotes such as '1250.00', with at most 10 decimals",
  thresholds: 'must be whole percentages from 1 to 1000, each once',
  webhook: 'must be an http or https URL',
  period: 'must be month or day',
  forecast: 'must be linear or same-weekday',
  version: 'must be 1',
};

/** All budgets of BUDGETS_FILE, read again when the file changes. */
@Injectable()
export class BudgetsFile {
  private readonly logger = new Logger(BudgetsFile.name);
  private budgets: readonly Budget[] = [];
  private signature = '';

  private constructor(
    private readonly path: string | null,
    private readonly hasSecret: boolean,
  ) {}

  /** Throws `ConfigError` with every mistake of the file. */
  static open({ budgetsFile, budgetWebhookSecret }: Config): BudgetsFile {
    const file = new BudgetsFile(budgetsFile, budgetWebhookSecret !== null);
    if (budgetsFile === null) return file;
    file.signature = signatureOf(budgetsFile);
    file.budgets = readBudgets(budgetsFile, file.hasSecret);
    budgetFileValid.set(1);
    return file;
  }

  /** What the file says now. While it has mistakes, what it said before; they are logged once. */
  all(): readonly Budget[] {
    if (this.path === null) return this.budgets;
    const signature = signatureOf(this.path);
    if (signature === this.signature) return this.budgets;
    this.signature = signature;
    try {
      this.budgets = readBudgets(this.path, this.hasSecret);
      budgetFileValid.set(1);
      this.logger.log({ budgets: this.budgets.length }, 'Read the budgets again');
    } catch (error) {
      budgetFileValid.set(0);
      const mistakes = error instanceof ConfigError ? error.mistakes : [String(error)];
      this.logger.error({ mistakes }, 'BUDGETS_FILE has mistakes: the budgets before stay in force');
    }
    return this.budgets;
  }

  /** The budgets of an organisation, month before day. */
  of(orgId: string): readonly Budget[] {
    const own = this.all().filter((budget) => budget.orgId === orgId);
    return own.sort(
      (left, right) => BUDGET_PERIODS.indexOf(left.period) - BUDGET_PERIODS.indexOf(right.period),
    );
  }
}

/** Changes with the file, also where Kubernetes swaps the directory behind it. */
function signatureOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'absent';
  }
}

function readBudgets(path: string, hasSecret: boolean): readonly Budget[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError(['BUDGETS_FILE must be the path of a readable file.']);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0)
    throw new ConfigError(
      document.errors.map(
        ({ pos, code }) => `BUDGETS_FILE is no YAML in line ${lines.linePos(pos[0]).line} (${code}).`,
      ),
    );
  const parsed: unknown = document.toJS();
  if (!validate(parsed)) throw new ConfigError(schemaMistakes());
  const mistakes = mistakesOf(parsed.budgets, hasSecret);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return parsed.budgets.map(budgetOf);
}

function schemaMistakes(): string[] {
  return (validate.errors ?? []).map(({ instancePath, keyword, params, message }) => {
    const place = `BUDGETS_FILE ${instancePath || '/'}`;
    const { missingProperty, additionalProperty } = params as Record<string, string | undefined>;
    if (keyword === 'required') return `${place} must have ${missingProperty}.`;
    if (keyword === 'additionalProperties') return `${place} must not have ${additionalProperty}.`;
    const field = instancePath.split('/').find((part) => part in MUST_BE);
    return `${place} ${(field && MUST_BE[field]) ?? message}.`;
  });
}

function mistakesOf(entries: readonly Entry[], hasSecret: boolean): string[] {
  const mistakes: string[] = [];
  const seen = new Set<string>();
  for (const [index, { org, period, amount, timezone = 'UTC', webhook }] of entries.entries()) {
    const place = `BUDGETS_FILE /budgets/${index}`;
    if (!TimeZone.named(timezone))
      mistakes.push(`${place}/timezone must be a time zone of the IANA database such as Europe/Berlin.`);
    if (unitsOfDecimal(amount, COST_DIGITS) === 0n) mistakes.push(`${place}/amount must be above zero.`);
    if (webhook !== undefined && !URL.canParse(webhook))
      mistakes.push(`${place}/webhook ${MUST_BE['webhook']}.`);
    if (webhook !== undefined && !hasSecret)
      mistakes.push(`${place}/webhook needs BUDGET_WEBHOOK_SECRET, which signs it.`);
    const key = `${org.toLowerCase()} ${period}`;
    if (seen.has(key)) mistakes.push(`${place} must be the only budget of its organisation for a ${period}.`);
    seen.add(key);
  }
  return mistakes;
}

function budgetOf({ org, period, amount, timezone = 'UTC', thresholds, forecast, webhook }: Entry): Budget {
  return {
    orgId: org.toLowerCase(),
    period,
    amount,
    zone: TimeZone.named(timezone) ?? TimeZone.UTC,
    thresholds: [...thresholds].sort((left, right) => left - right),
    forecast: forecast ?? 'same-weekday',
    webhook: webhook ?? null,
  };
}
