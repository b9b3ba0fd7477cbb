import { sqlOver } from '../../platform/database/sql';
import { type Buckets, endOfBucket } from '../../shared/time-window';
import { relationOf, type UsageRelation } from '../file-specification';
import { defuseFormula } from './defuse-formula';
import { anyOf, type BoundStatement, type FileContext, type FileFormat } from './file-format';
import { localTime } from './instants';
import type { RunningTotals } from './control-totals';

const RELATIONS: readonly UsageRelation[] = ['usage_15min', 'usage_hourly'];
const usageRows = sqlOver('exports/usage-rows', RELATIONS);
const usageTotals = sqlOver('exports/usage-totals', RELATIONS);

/** Columns of the formats csv and csv.gz, a row for each bucket, model and client. */
export const USAGE_COLUMNS = [
  'bucketStart',
  'bucketEnd',
  'orgId',
  'modelId',
  'clientId',
  'requests',
  'successes',
  'errors',
  'timeouts',
  'throttled',
  'inputTokens',
  'cachedInputTokens',
  'outputTokens',
  'cost',
  'currency',
  'latencySumMs',
  'latencyMaxMs',
] as const;

export function usageFile(context: FileContext, buckets: Buckets): FileFormat {
  const times = buckets.starts.map((start, index) => [
    localTime(start, buckets.zone),
    localTime(endOfBucket(buckets, index), buckets.zone),
  ]);
  const { orgId, currency } = context;
  return {
    columns: USAGE_COLUMNS,
    rows: usageStatement(usageRows.over(relationOf(buckets)), context, buckets),
    totals: usageTotalsStatement(context, buckets),
    record: (row, totals) => {
      const [bucket, modelId, clientId, requests, successes, errors, timeouts, throttled, ...measures] =
        row as unknown as UsageRow;
      const [inputTokens, cachedInputTokens, outputTokens, cost, latencySum, latencyMax] = measures;
      addUsage(totals, { requests, inputTokens, cachedInputTokens, outputTokens, cost });
      return [
        ...(times[Number(bucket)] ?? []),
        orgId,
        defuseFormula(modelId),
        defuseFormula(clientId),
        requests,
        successes,
        errors,
        timeouts,
        throttled,
        inputTokens,
        cachedInputTokens,
        outputTokens,
        cost,
        currency,
        latencySum,
        latencyMax,
      ];
    },
  };
}

/** Binds a statement that reads buckets of a usage rollup. */
export function usageStatement(
  { text }: { readonly text: string },
  { orgId, specification: { window, filters } }: FileContext,
  { starts }: Buckets,
): BoundStatement {
  const boundaries = starts.map((start) => new Date(start));
  const { modelIds, clientIds } = filters;
  return {
    text,
    values: [
      orgId,
      new Date(window.start),
      new Date(window.end),
      boundaries,
      anyOf(modelIds),
      anyOf(clientIds),
    ],
  };
}

export function usageTotalsStatement(
  { orgId, specification }: FileContext,
  buckets: Buckets,
): BoundStatement {
  const { window, filters } = specification;
  const { text } = usageTotals.over(relationOf(buckets));
  const range = [new Date(window.start), new Date(window.end)];
  return { text, values: [orgId, ...range, anyOf(filters.modelIds), anyOf(filters.clientIds)] };
}

interface CountedCells {
  readonly requests: string;
  readonly inputTokens: string;
  readonly cachedInputTokens: string;
  readonly outputTokens: string;
  readonly cost: string;
}

export function addUsage(totals: RunningTotals, cells: CountedCells): void {
  totals.requests += BigInt(cells.requests);
  totals.inputTokens += BigInt(cells.inputTokens);
  totals.cachedInputTokens += BigInt(cells.cachedInputTokens);
  totals.outputTokens += BigInt(cells.outputTokens);
  totals.addCost(cells.cost);
}

/** In the order of sql/exports/usage-rows.sql. */
type UsageRow = readonly [
  bucket: string,
  modelId: string,
  clientId: string | null,
  requests: string,
  successes: string,
  errors: string,
  timeouts: string,
  throttled: string,
  inputTokens: string,
  cachedInputTokens: string,
  outputTokens: string,
  cost: string,
  latencySum: string,
  latencyMax: string,
];
