import { latencyBin, percentileFromBins } from '../../src/shared/latency-sketch';
import { DAY_MS, type Granularity, HOUR_MS, type TimeZone } from '../../src/shared/time-zone';
import { costText, type CountedEvent, randomEvents } from './counted-events';

/** Shortly after the clocks changed in Europe and America, so that the last 30 days have days of 23 and 25 hours. */
export const NOW = new Date('2026-11-05T13:37:12.345Z');
export const BIG_ORG = 'a0000000-0000-4000-8000-00000000000a';
export const SMALL_ORG = 'b0000000-0000-4000-8000-00000000000b';
export const QUIET_ORG = 'c0000000-0000-4000-8000-00000000000c';

export const SHAPE = {
  orgIds: [BIG_ORG, SMALL_ORG],
  models: ['meta/llama-3-70b', 'mistral/large', '=cmd|calc', 'qwen/2.5', 'ümlaut,comma', 'Zebra'],
  clients: ['', 'checkout', 'search', 'Batch'],
};
const now = NOW.getTime();

/** Thirteen months of events, most of them of the last week and of the last hours. */
export const EVENTS: readonly CountedEvent[] = [
  ...randomEvents({ ...SHAPE, count: 6_000, from: now - 394 * DAY_MS, to: now - 8 * DAY_MS, seed: 1 }),
  ...randomEvents({ ...SHAPE, count: 6_000, from: now - 8 * DAY_MS, to: now + 60_000, seed: 2 }),
  ...randomEvents({ ...SHAPE, count: 2_000, from: now - 3 * HOUR_MS, to: now, seed: 3 }),
];

/** The events of an organisation in the window of an answer. */
export function eventsWithin(orgId: string, { start, end }: { start: string; end: string }): CountedEvent[] {
  return EVENTS.filter(
    (event) =>
      event.orgId === orgId && event.occurredAt >= Date.parse(start) && event.occurredAt < Date.parse(end),
  );
}

/** What the measures of usage must be for these events. */
export function usageOf(events: readonly CountedEvent[]) {
  const inputTokens = sum(events, (event) => event.inputTokens);
  const outputTokens = sum(events, (event) => event.outputTokens);
  const cost = costText(events.reduce((total, { costUnits }) => total + costUnits, 0n));
  return {
    requests: events.length,
    inputTokens,
    cachedInputTokens: sum(events, (event) => event.cachedInputTokens ?? 0),
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    cost: Number(cost),
    costExact: cost,
  };
}

/** What the measures of reliability must be for these events, of which there is at least one. */
export function reliabilityOf(events: readonly CountedEvent[], percentiles: readonly number[]) {
  const count = (status: string) => events.filter((event) => event.status === status).length;
  return {
    requests: events.length,
    successes: count('success'),
    errors: count('error'),
    timeouts: count('timeout'),
    throttled: count('throttled'),
    errorRate: expect.closeTo(1 - count('success') / events.length, 5),
    latencyMeanMs: expect.closeTo(sum(events, ({ latencyMs }) => latencyMs) / events.length, 2),
    latencyMaxMs: events.reduce((most, { latencyMs }) => Math.max(most, latencyMs), 0),
    ...Object.fromEntries(
      percentiles.map((share) => [`p${String(share).replace('.', '_')}Ms`, percentileOf(events, share)]),
    ),
  };
}

export function percentileOf(events: readonly { latencyMs: number }[], share: number): number | null {
  const bins = new Map<number, bigint>();
  for (const { latencyMs } of events) {
    const bin = latencyBin(latencyMs);
    bins.set(bin, (bins.get(bin) ?? 0n) + 1n);
  }
  const ascending = [...bins].sort(([a], [b]) => a - b).map(([bin, requests]) => ({ bin, requests }));
  const latency = percentileFromBins(ascending, share);
  return latency === null ? null : Math.round(latency * 1_000) / 1_000;
}

/** The events of each row that a series must have, by the key of the row. */
export function eventsByRow(
  events: readonly CountedEvent[],
  granularity: Granularity,
  zone: TimeZone,
  groupBy: readonly string[],
): Map<string, CountedEvent[]> {
  const rows = new Map<string, CountedEvent[]>();
  for (const event of events) {
    const time = new Date(zone.floor(event.occurredAt, granularity)).toISOString();
    const key = rowKey({ ...event, time, clientId: event.clientId || null }, groupBy);
    rows.set(key, [...(rows.get(key) ?? []), event]);
  }
  return rows;
}

interface RowLabels {
  readonly time: string;
  readonly modelId?: string;
  readonly clientId?: string | null;
  readonly status?: string;
}

export function rowKey({ time, modelId, clientId, status }: RowLabels, groupBy: readonly string[]): string {
  const groups = { model: modelId, client: clientId, status };
  return JSON.stringify([time, ...Object.entries(groups).filter(([group]) => groupBy.includes(group))]);
}

function sum(events: readonly CountedEvent[], of: (event: CountedEvent) => number): number {
  return events.reduce((total, event) => total + of(event), 0);
}
