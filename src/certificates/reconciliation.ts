import type { Pool, PoolClient } from 'pg';
import { sql, type Statement } from '../platform/database/sql';
import { sumOfDecimals } from '../shared/decimal';
import type { TimeWindow } from '../shared/time-window';
import { DAY_MS } from '../shared/time-zone';

/** What is summed up further is held against what it was summed up from, with and without events. */
const OF_ROLLUPS: readonly (readonly [Statement, Source])[] = [
  [sql('certificates/compare-org-usage-with-usage'), 'usage_hourly'],
  [sql('certificates/compare-summed-latency-with-latency'), 'latency_hourly'],
];
/** Where there are events, they are what everything else is held against. */
const WITH_EVENTS: readonly (readonly [Statement, Source])[] = [
  [sql('certificates/compare-usage-with-events'), 'usage_events'],
  [sql('certificates/compare-latency-with-events'), 'usage_events'],
  [sql('certificates/compare-ledger-with-events'), 'usage_events'],
  ...OF_ROLLUPS,
];
/** Where they are gone, the ledger still says how many there were. */
const WITHOUT_EVENTS: readonly (readonly [Statement, Source])[] = [
  [sql('certificates/compare-hourly-usage-with-ledger'), 'ingest_ledger'],
  [sql('certificates/compare-daily-with-hourly-usage'), 'usage_hourly'],
  [sql('certificates/compare-daily-with-hourly-latency'), 'latency_hourly'],
  ...OF_ROLLUPS,
];
const QUARANTINE: readonly (readonly [Statement, Source])[] = [
  [sql('certificates/compare-quarantine-with-ledger'), 'ingest_ledger'],
];

export type Source = 'usage_events' | 'ingest_ledger' | 'usage_hourly' | 'latency_hourly';

/** Measures of one bucket by their name, as decimal text; `null` where there is no row. */
export type Measures = Readonly<Record<string, string>> | null;

/** A bucket in which a layer is not what it should be. */
export interface Difference {
  readonly orgId: string;
  /** Start of the bucket, ISO 8601 in UTC. */
  readonly bucket: string;
  readonly modelId?: string;
  readonly clientId?: string | null;
  readonly latencyBin?: number;
  readonly expected: Measures;
  readonly found: Measures;
}

/** Exact sums over the buckets that were compared; tokens and cost of usage only. */
export interface Sums {
  requests: string;
  inputTokens?: string;
  outputTokens?: string;
  cost?: string;
}

/** One relation held against what it has to agree with. */
export interface Layer {
  readonly relation: string;
  readonly against: Source;
  readonly expected: Sums;
  readonly found: Sums;
  /** How many rows differ. */
  differing: number;
  /** How many rows wait for the refresh of late events. */
  awaiting: number;
  /** The first of those that differ. */
  readonly differences: Difference[];
}

interface LayerRow {
  readonly relation: string;
  readonly expectedRequests: string;
  readonly expectedInputTokens?: string;
  readonly expectedOutputTokens?: string;
  readonly expectedCost?: string;
  readonly requests: string;
  readonly inputTokens?: string;
  readonly outputTokens?: string;
  readonly cost?: string;
  readonly differing: number;
  readonly awaiting: number;
  readonly differences: string;
}

/** How a reconciliation is asked for. */
export interface ReconciliationOptions {
  /** `null` for all organisations. */
  readonly orgId: string | null;
  /** Differences to list per layer; all are counted. */
  readonly listed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Holds the layers of the data against each other. Each statement sees one moment, in which batches are whole, and
 * looks at one day at most: so a long window neither holds a snapshot nor runs into the limit of a statement.
 */
export class Reconciliation {
  /** What was found, by the slice: one that is compared again is found anew. */
  private readonly found = new Map<string, Layer[]>();
  /** How many differences of a layer are listed. */
  private readonly listed = new Map<string, number>();

  constructor(
    private readonly database: Pool | PoolClient,
    private readonly options: ReconciliationOptions,
  ) {}

  /** Compares slices of `daysOf` a window. `rawFrom`: events below it may be gone; the start of a day, or `null`. */
  async compare(slices: Iterable<TimeWindow>, rawFrom: Date | null): Promise<void> {
    for (const slice of slices) {
      this.options.signal?.throwIfAborted();
      const hasEvents = rawFrom === null || slice.start >= rawFrom.getTime();
      await this.find(`day ${slice.start}`, hasEvents ? WITH_EVENTS : WITHOUT_EVENTS, slice);
    }
  }

  /** Compares what is in quarantine with the ledger. */
  async compareQuarantine(window: TimeWindow): Promise<void> {
    await this.find('quarantine', QUARANTINE, window);
  }

  /** Every layer over all that was compared. */
  result(): Layer[] {
    const layers = new Map<string, Layer>();
    for (const found of [...this.found.values()].flat()) {
      const layer = layers.get(nameOf(found)) ?? emptyLayer(found);
      layers.set(nameOf(found), layer);
      addSums(layer.expected, found.expected);
      addSums(layer.found, found.found);
      layer.differing += found.differing;
      layer.awaiting += found.awaiting;
      layer.differences.push(...found.differences);
    }
    return [...layers.values()];
  }

  private async find(
    slice: string,
    statements: readonly (readonly [Statement, Source])[],
    { start, end }: TimeWindow,
  ): Promise<void> {
    const { orgId, listed } = this.options;
    for (const layer of this.found.get(slice) ?? []) this.list(layer, -layer.differences.length);
    const found: Layer[] = [];
    this.found.set(slice, found);
    for (const [statement, against] of statements) {
      const { rows } = await this.database.query<LayerRow>({
        ...statement,
        values: [orgId, new Date(start), new Date(end), listed],
      });
      found.push(...rows.map((row) => this.layerOf(row, against)));
    }
  }

  private layerOf(row: LayerRow, against: Source): Layer {
    const layer = emptyLayer({ relation: row.relation, against });
    addSums(layer.expected, {
      requests: row.expectedRequests,
      inputTokens: row.expectedInputTokens,
      outputTokens: row.expectedOutputTokens,
      cost: row.expectedCost,
    });
    addSums(layer.found, row);
    layer.differing = row.differing;
    layer.awaiting = row.awaiting;
    const room = this.options.listed - (this.listed.get(nameOf(layer)) ?? 0);
    const differences = JSON.parse(row.differences) as Difference[];
    layer.differences.push(...differences.slice(0, room).map(inCamelCase));
    this.list(layer, layer.differences.length);
    return layer;
  }

  private list(layer: Layer, more: number): void {
    this.listed.set(nameOf(layer), (this.listed.get(nameOf(layer)) ?? 0) + more);
  }
}

/** The parts of a window that are looked at by themselves: its days of UTC, the first and the last as far as it reaches. */
export function* daysOf({ start, end }: TimeWindow): Generator<TimeWindow> {
  for (let from = start; from < end;) {
    const through = Math.min(end, (Math.floor(from / DAY_MS) + 1) * DAY_MS);
    yield { start: from, end: through };
    from = through;
  }
}

function nameOf({ relation, against }: Pick<Layer, 'relation' | 'against'>): string {
  return `${relation} ${against}`;
}

function emptyLayer({ relation, against }: Pick<Layer, 'relation' | 'against'>): Layer {
  const none = { differing: 0, awaiting: 0, differences: [] };
  return { relation, against, expected: { requests: '0' }, found: { requests: '0' }, ...none };
}

/** The names of the measures that differ, with both values. */
export function differingMeasures({ expected, found }: Difference): [string, string | null, string | null][] {
  const names = [...new Set([...Object.keys(expected ?? {}), ...Object.keys(found ?? {})])].sort();
  return names
    .map((name): [string, string | null, string | null] => [
      name,
      plain(expected?.[name]),
      plain(found?.[name]),
    ])
    .filter(([, expectedValue, foundValue]) => expectedValue !== foundValue);
}

/** PostgreSQL writes 0.10 and 0.1 for the same amount. */
function plain(decimal: string | undefined): string | null {
  if (decimal === undefined) return null;
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}

function inCamelCase(difference: Difference): Difference {
  const renamed = (measures: Measures): Measures =>
    measures && Object.fromEntries(Object.entries(measures).map(([name, value]) => [camelCase(name), value]));
  return { ...difference, expected: renamed(difference.expected), found: renamed(difference.found) };
}

function camelCase(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

type PartialSums = { readonly [Name in keyof Sums]?: string | undefined };

function addSums(sums: Sums, more: PartialSums): void {
  for (const name of ['requests', 'inputTokens', 'outputTokens', 'cost'] as const) {
    const value = more[name];
    if (value !== undefined) sums[name] = sumOfDecimals(sums[name] ?? '0', value);
  }
}
