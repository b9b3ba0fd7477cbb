import { defuseFormula } from '../../src/exports/writing/defuse-formula';
import { localTime } from '../../src/exports/writing/instants';
import type { TimeZone } from '../../src/shared/time-zone';
import { costText, type CountedEvent } from './counted-events';
import { usageOf } from './recount';

export type Cells = Record<string, string | null>;

export const UNIT_OF = { hourly: 'hour', daily: 'day', monthly: 'month' } as const;

/** Exact sums of the cells, in the words of the manifest. */
export function sumsOf(rows: readonly Cells[], granularity: string, format: string): object {
  const sum = (of: (row: Cells) => string | null | undefined): string =>
    String(rows.reduce((total, row) => total + BigInt(of(row) ?? 0), 0n));
  const cost = (column: string): string =>
    costText(rows.reduce((total, row) => total + units(row[column]), 0n));
  if (format === 'focus') {
    const tokens = (meter: string) =>
      sum((row) => (row['SkuMeter'] === meter ? row['ConsumedQuantity'] : '0'));
    return {
      requests: sum((row) => row['x_Requests']),
      inputTokens: tokens('Input Tokens'),
      cachedInputTokens: sum((row) => row['x_CachedInputTokens']),
      outputTokens: tokens('Output Tokens'),
      cost: cost('BilledCost'),
    };
  }
  return {
    requests: granularity === 'events' ? String(rows.length) : sum((row) => row['requests']),
    inputTokens: sum((row) => row['inputTokens']),
    cachedInputTokens: sum((row) => row['cachedInputTokens']),
    outputTokens: sum((row) => row['outputTokens']),
    cost: cost('cost'),
  };
}

/** What a file must hold for these events, row by row and in its order. */
export function usageRowsOf(
  orgId: string,
  events: readonly CountedEvent[],
  granularity: keyof typeof UNIT_OF,
  zone: TimeZone,
): Cells[] {
  const unit = UNIT_OF[granularity];
  const groups = new Map<string, CountedEvent[]>();
  for (const event of events) {
    const bucket = String(zone.floor(event.occurredAt, unit)).padStart(16, '0');
    const key = [bucket, event.modelId, event.clientId].join('\0');
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  // By bytes of UTF-8, as the database compares.
  return [...groups]
    .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    .map(([key, ofGroup]) => {
      const start = Number(key.split('\0')[0]);
      const [{ modelId, clientId } = { modelId: '', clientId: '' }] = ofGroup;
      const count = (status: string) => String(ofGroup.filter((event) => event.status === status).length);
      const { requests, inputTokens, cachedInputTokens, outputTokens, costExact } = usageOf(ofGroup);
      return {
        bucketStart: localTime(start, zone),
        bucketEnd: localTime(zone.next(start, unit), zone),
        orgId,
        modelId: defuseFormula(modelId),
        clientId: clientId === '' ? null : defuseFormula(clientId),
        requests: String(requests),
        successes: count('success'),
        errors: count('error'),
        timeouts: count('timeout'),
        throttled: count('throttled'),
        inputTokens: String(inputTokens),
        cachedInputTokens: String(cachedInputTokens),
        outputTokens: String(outputTokens),
        cost: costExact,
        currency: 'USD',
        latencySumMs: String(ofGroup.reduce((sum, { latencyMs }) => sum + latencyMs, 0)),
        latencyMaxMs: String(ofGroup.reduce((most, { latencyMs }) => Math.max(most, latencyMs), 0)),
      };
    });
}

/** A decimal in units of 1e-10. */
export function units(decimal: string | null | undefined): bigint {
  const [whole = '0', fraction = ''] = (decimal ?? '0').split('.');
  return BigInt(whole + fraction.padEnd(10, '0'));
}
