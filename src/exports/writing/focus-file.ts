import { sqlOver } from '../../platform/database/sql';
import { type Buckets, endOfBucket } from '../../shared/time-window';
import { type FocusVersion, relationOf } from '../file-specification';
import { defuseFormula } from './defuse-formula';
import type { FileContext, FileFormat } from './file-format';
import { utcTime } from './instants';
import { usageStatement, usageTotalsStatement } from './usage-file';

const focusCharges = sqlOver('exports/focus-charges', ['usage_15min', 'usage_hourly']);

/** Columns of the FinOps Open Cost and Usage Specification that both versions have; our own follow with `x_`. */
const COMMON_COLUMNS = [
  'BilledCost',
  'BillingAccountId',
  'BillingAccountName',
  'BillingCurrency',
  'BillingPeriodEnd',
  'BillingPeriodStart',
  'ChargeCategory',
  'ChargeClass',
  'ChargeDescription',
  'ChargeFrequency',
  'ChargePeriodEnd',
  'ChargePeriodStart',
  'ConsumedQuantity',
  'ConsumedUnit',
  'ContractedCost',
  'EffectiveCost',
  'InvoiceIssuerName',
  'ListCost',
  'PricingCategory',
  'PricingQuantity',
  'PricingUnit',
  'ServiceCategory',
  'ServiceName',
  'ServiceSubcategory',
  'SkuId',
  'SkuMeter',
] as const;

/** Who provides, as each version names it: 1.3 replaced the columns of 1.2. */
const PROVIDER_COLUMNS = {
  '1.2': ['ProviderName', 'PublisherName'],
  '1.4': ['HostProviderName', 'ServiceProviderName'],
} as const;

/** Requests and cached tokens stand once, with the input tokens, so that their columns add up. */
const OWN_COLUMNS = ['x_CachedInputTokens', 'x_ClientId', 'x_ModelId', 'x_Requests'] as const;

const KINDS = {
  input: { meter: 'Input Tokens', sku: 'input-tokens', description: 'Input tokens of' },
  output: { meter: 'Output Tokens', sku: 'output-tokens', description: 'Output tokens of' },
} as const;

type Cells = Partial<Record<string, string | null>>;

export function focusColumns(version: FocusVersion): readonly string[] {
  return [...[...COMMON_COLUMNS, ...PROVIDER_COLUMNS[version]].sort(), ...OWN_COLUMNS];
}

/** One charge for each token kind of a bucket, model and client. Null is an empty cell. */
export function focusFile(context: FileContext, buckets: Buckets, version: FocusVersion): FileFormat {
  const columns = focusColumns(version);
  const at = Object.fromEntries(columns.map((column, index) => [column, index])) as Record<string, number>;
  const constants = constantsOf(context, version);
  // A row of each bucket with all cells that its charges share: the others are set in a copy of it, which took 51 µs
  // as an object with 35 names, put into order afterwards, and left several times the memory behind.
  const common = buckets.starts.map((start, index) => {
    const cells: Cells = { ...constants, ...periodOf(buckets, start, endOfBucket(buckets, index)) };
    return columns.map((column) => cells[column] ?? null);
  });
  const costs = ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost'].map(
    (column) => at[column] as number,
  );
  return {
    columns,
    rows: usageStatement(focusCharges.over(relationOf(buckets)), context, buckets),
    totals: usageTotalsStatement(context, buckets),
    record: (row, totals) => {
      const [bucket, modelId, clientId, kind, tokens, millionTokens, cost, requests, cachedInputTokens] =
        row as unknown as ChargeRow;
      const { meter, sku, description } = KINDS[kind];
      totals.addCost(cost);
      totals[kind === 'input' ? 'inputTokens' : 'outputTokens'] += BigInt(tokens);
      totals.requests += BigInt(requests ?? 0);
      totals.cachedInputTokens += BigInt(cachedInputTokens ?? 0);
      const cells = (common[Number(bucket)] as readonly (string | null)[]).slice();
      const set = (column: string, value: string | null): void => {
        cells[at[column] as number] = value;
      };
      for (const index of costs) cells[index] = cost;
      set('ChargeDescription', `${description} ${modelId}`);
      set('ConsumedQuantity', tokens);
      set('PricingQuantity', millionTokens);
      set('SkuId', defuseFormula(`${modelId}:${sku}`));
      set('SkuMeter', meter);
      set('x_CachedInputTokens', cachedInputTokens);
      set('x_ClientId', defuseFormula(clientId));
      set('x_ModelId', defuseFormula(modelId));
      set('x_Requests', requests);
      return cells;
    },
  };
}

function constantsOf({ orgId, currency, provider }: FileContext, version: FocusVersion): Cells {
  const [first, second] = PROVIDER_COLUMNS[version];
  const name = defuseFormula(provider);
  return {
    BillingAccountId: orgId,
    BillingCurrency: currency,
    ChargeCategory: 'Usage',
    ChargeFrequency: 'Usage-Based',
    ConsumedUnit: 'Tokens',
    InvoiceIssuerName: name,
    PricingCategory: 'Standard',
    PricingUnit: '1000000 Tokens',
    ServiceCategory: 'AI and Machine Learning',
    ServiceName: 'AI Inference',
    ServiceSubcategory: 'Generative AI',
    [first]: name,
    [second]: name,
  };
}

/** FOCUS wants UTC; the bucket and its month are those of the file's time zone. */
function periodOf({ zone }: Buckets, start: number, end: number): Cells {
  const month = zone.floor(start, 'month');
  return {
    BillingPeriodStart: utcTime(month),
    BillingPeriodEnd: utcTime(zone.next(month, 'month')),
    ChargePeriodStart: utcTime(start),
    ChargePeriodEnd: utcTime(end),
  };
}

/** In the order of sql/exports/focus-charges.sql. */
type ChargeRow = readonly [
  bucket: string,
  modelId: string,
  clientId: string | null,
  kind: keyof typeof KINDS,
  tokens: string,
  millionTokens: string,
  cost: string,
  requests: string | null,
  cachedInputTokens: string | null,
];
