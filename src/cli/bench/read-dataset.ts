import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { copyRows } from '../../platform/database/copy-rows';
import { sqlOver } from '../../platform/database/sql';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { latencyBin } from '../../shared/latency-sketch';
import { seededRandom, uuidAt } from '../demo/seeded-random';
import { Progress } from '../progress';
import { orgIdOf } from './load-shape';

const copyUsageEvents = sqlOver('ingestion/copy-usage-events', ['usage_events']);
const DAY_MS = 86_400_000;
const LIVE_MS = 20 * 60_000;
/** As many days as rollups by the day are kept, all but. */
export const THIRTEEN_MONTHS_DAYS = 395;
/** So few that a socket takes them at once. */
const LINES_PER_COPY = 5_000;

/** What the measured data looks like; printed beside every figure. */
export interface ReadShape {
  /** Events of the last `days` days. */
  readonly events: number;
  readonly days: number;
  /** Days back to the oldest event. */
  readonly oldestDays: number;
  /** Events of the last seven days of one more organisation, `BUSY_ORG`. */
  readonly busyOrgEvents: number;
  /** Events a second from 20 minutes before the questions on; `null` for as many as before. */
  readonly liveRate: number | null;
  /** Events a second of the hour before, beside those. */
  readonly lateRate: number;
  readonly orgs: number;
  readonly models: number;
  readonly clients: number;
  readonly seed: number;
}

/** The organisation with the most events: about 6 % of all with 250 organisations. */
export const LARGEST_ORG = orgIdOf(0);
/** Has `busyOrgEvents`, and is none of the others. */
export const BUSY_ORG = orgIdOf(0xffff);
const BUSY_DAYS = 7;

/**
 * Loads events straight into `usage_events`: the last days at full density, and before them, back to the oldest, a
 * row a day for every model and client of the largest organisation and ten for every other one. They are as
 * ingestion would have stored them; only dedupe keys and ledger are left out.
 */
export async function loadReadDataset(databaseUrl: string, shape: ReadShape): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const progress = new Progress('Loading', shape.events + shape.busyOrgEvents, 'events');
  try {
    const now = Date.now();
    for (let day = shape.oldestDays; day > shape.days; day -= 1)
      await copyEvents(client, [...sparseDay(shape, now - day * DAY_MS)]);
    let loaded = 0;
    let copying = Promise.resolve();
    for (const events of [recentEvents(shape, now - shape.days * DAY_MS, now), busyOrg(shape, now)]) {
      for (const lines of slices(events, LINES_PER_COPY)) {
        await copying;
        progress.to(loaded);
        // The next lines are made while these are stored.
        copying = copyEvents(client, lines);
        loaded += lines.length;
      }
    }
    await copying;
    await client.query('analyze');
  } finally {
    progress.stop();
    await client.end();
  }
}

const ROLLUPS = [
  'usage_15min',
  'org_usage_15min',
  'usage_hourly',
  'usage_daily',
  'org_usage_hourly',
  'org_usage_daily',
  'latency_hourly',
  'latency_daily',
  'org_latency_hourly',
  'org_latency_daily',
  'model_latency_hourly',
  'model_latency_daily',
  'platform_latency_hourly',
  'platform_latency_daily',
];
/** Only for the hour that is not over: retention keeps the day of the watermark. */
const OPEN_HOUR = ['latency_15min', 'model_latency_15min'];

/** Adds what has occurred since the newest event: loading and materialising take their time. */
export async function loadSince(databaseUrl: string, shape: ReadShape): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const to = Date.now();
    const from = (await newestEvent(client)) ?? to;
    const liveFrom = shape.liveRate === null ? to : Math.max(from, to - LIVE_MS);
    for (const [begin, end, perSecond] of [
      [from, liveFrom, shape.events / (shape.days * 86_400)],
      [liveFrom, to, shape.liveRate ?? 0],
    ] as const) {
      const events = Math.floor((perSecond * (end - begin)) / 1_000);
      // Another seed each time: with few events a day the newest may be the same as the last time, and so its identity.
      const since = { ...shape, events, seed: shape.seed + end };
      for (const lines of slices(recentEvents(since, begin, end), LINES_PER_COPY))
        await copyEvents(client, lines);
    }
  } finally {
    await client.end();
  }
}

/** When it occurred, in milliseconds since the epoch; `null` without one in the last two days. */
export async function newestEvent(client: Client): Promise<number | null> {
  const { rows } = await client.query<{ newest: Date | null }>(
    "select max(occurred_at) as newest from usage_events where occurred_at > now() - interval '2 days'",
  );
  return rows[0]?.newest?.getTime() ?? null;
}

/**
 * Materialises all rollups at once, as after a bulk import: the service would do it day by day, which with thirteen
 * months of daily chunks takes minutes longer and gives the same rows.
 */
export async function materializeRollups(databaseUrl: string, engine: StorageEngineKind): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const progress = new Progress('Materialising', ROLLUPS.length, 'rollups');
  try {
    // Not the hour of now: what has occurred since the newest event is added afterwards.
    const { rows } = await client.query<{ through: Date }>(
      `select date_trunc('hour', max(occurred_at), 'UTC') as through
       from usage_events where occurred_at > now() - interval '2 days'`,
    );
    const through = rows[0]?.through;
    if (engine === 'timescale') {
      // As the service does it.
      await client.query("set enable_hashagg = off; set work_mem = '256MB'");
      for (const rollup of ROLLUPS) {
        await client.query(
          `call refresh_continuous_aggregate('${rollup}_materialized', null, '${through?.toISOString()}')`,
        );
        progress.advance(1);
      }
      for (const rollup of OPEN_HOUR) {
        await client.query(
          `call refresh_continuous_aggregate('${rollup}_materialized', date_trunc('day', '${through?.toISOString()}'::timestamptz, 'UTC'), '${through?.toISOString()}')`,
        );
      }
      await client.query(
        `update rollup_state
         set watermark = $1, materialized_through = $1, quarters_through = $1, latency_sums_through = $1`,
        [through],
      );
      // As retention leaves it: hundreds of chunks that nobody has would have to be planned for.
      const { rows: kept } = await client.query<{ raw_from: Date }>(
        "update rollup_state set raw_from = date_trunc('day', now(), 'UTC') - interval '30 days' returning raw_from",
      );
      await client.query("select drop_chunks('usage_events', older_than => $1::timestamptz)", [
        kept[0]?.raw_from,
      ]);
    }
    await client.query('vacuum analyze');
  } finally {
    progress.stop();
    await client.end();
  }
}

/** Resolves when the running service has caught up with its rollups. */
export async function rollupsMaterialized(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (;;) {
      const { rows } = await client.query<{ done: boolean }>(
        // Plain PostgreSQL has nothing that a later release has to fill, and no mark for it.
        `select materialized_through > now() - interval '1 hour' and materialized_through = watermark
           and coalesce((to_jsonb(rollup_state) ->> 'latency_sums_through')::timestamptz, watermark) = watermark as done
         from rollup_state`,
      );
      if (rows[0]?.done) return;
      await sleep(500);
    }
  } finally {
    await client.end();
  }
}

function* sparseDay(shape: ReadShape, startsAt: number): Generator<string> {
  const random = seededRandom(shape.seed + Math.floor(startsAt / DAY_MS));
  for (let org = 0; org < shape.orgs; org += 1) {
    const rows = org === 0 ? shape.models * shape.clients : 10;
    for (let row = 0; row < rows; row += 1) {
      yield eventLine(
        orgIdOf(org),
        row % shape.models,
        Math.floor(row / shape.models) % shape.clients,
        startsAt + random() * DAY_MS,
        random,
      );
    }
  }
}

/** As many as the shape says, evenly from one instant to the other, in the order of time, as a stream delivers them. */
export function* recentEvents(shape: ReadShape, from: number, to: number): Generator<string> {
  const random = seededRandom(shape.seed);
  const skewed = (limit: number) => Math.floor(limit * random() ** 2);
  for (let n = 0; n < shape.events; n += 1) {
    const at = from + ((to - from) * n) / shape.events - random() * 1_000;
    yield eventLine(orgIdOf(skewed(shape.orgs)), skewed(shape.models), skewed(shape.clients), at, random);
  }
}

function* busyOrg({ busyOrgEvents, models, clients, seed }: ReadShape, now: number): Generator<string> {
  const random = seededRandom(seed + 1);
  for (let n = 0; n < busyOrgEvents; n += 1) {
    const at = now - BUSY_DAYS * DAY_MS * (1 - n / busyOrgEvents) - random() * 1_000;
    yield eventLine(BUSY_ORG, Math.floor(models * random()), Math.floor(clients * random()), at, random);
  }
}

/** A line of COPY. */
export function eventLine(
  orgId: string,
  model: number,
  client: number,
  at: number,
  random: () => number,
): string {
  const occurredAt = Math.floor(at);
  const outputTokens = 5 + Math.floor(800 * random() ** 2);
  const latencyMs = 50 + outputTokens * 20 + Math.floor(500 * random());
  const status = random() < 0.02 ? 'error' : 'success';
  const cost = `0.${String(Math.floor(1e7 * random())).padStart(10, '0')}`;
  return (
    `${new Date(occurredAt).toISOString()}\t${orgId}\t${uuidAt(occurredAt, random)}\t${latencyMs}\t` +
    `${40 + Math.floor(4_000 * random() ** 3)}\t${outputTokens}\t\\N\t\\N\t${latencyBin(latencyMs)}\t${status}\t${cost}\t` +
    `vendor/model-${model}\tclient-${client}\t\\N\t${status === 'error' ? 'upstream_error' : '\\N'}\t\\N`
  );
}

function* slices(lines: Generator<string>, size: number): Generator<string[]> {
  let slice: string[] = [];
  for (const each of lines) {
    slice.push(each);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}

export function copyEvents(client: Client, lines: readonly string[]): Promise<void> {
  return copyRows(client, copyUsageEvents.over('usage_events'), Buffer.from(`${lines.join('\n')}\n`));
}
