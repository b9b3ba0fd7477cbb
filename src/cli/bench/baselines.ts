import { Client } from 'pg';
import { copyRows } from '../../platform/database/copy-rows';
import { sqlOver } from '../../platform/database/sql';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { decodeUsageMessage } from '../../shared/usage-event/decode-usage-message';
import { type EncodedEvent, type IngestionLoad, inParts } from './measure-ingestion';

const copyUsageEvents = sqlOver('ingestion/copy-usage-events', ['usage_events']);
/** Enough for a rate; a million would take minutes. */
const SINGLE_INSERTS = 5_000;
const RULES = { lateHorizon: 30 * 86_400_000, knownOrgs: null, maxMessageBytes: 1_048_576 };

/** Batches whose lines are made while the clock stands: a million rows of 5,000 each. */
const BATCHES_AHEAD = 200;

/**
 * Rows per second of a bare COPY of the same rows into the same table: one connection, batches of `batchSize` rows,
 * one transaction each; lines are made while the clock stands. The most that any loader could reach with one
 * connection. The table is empty before and full after.
 */
export async function measureBareCopy(
  databaseUrl: string,
  { events, batchSize }: Pick<IngestionLoad, 'events' | 'batchSize'>,
): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    let milliseconds = 0;
    for (const batches of inParts(copyBatches(events(), batchSize), BATCHES_AHEAD)) {
      const startedAt = performance.now();
      for (const batch of batches) await copyRows(client, copyUsageEvents.over('usage_events'), batch);
      milliseconds += performance.now() - startedAt;
    }
    const { rows } = await client.query<{ rows: string }>('select count(*) as rows from usage_events');
    return Number(rows[0]?.rows) / (milliseconds / 1_000);
  });
}

function* copyBatches(events: Iterable<EncodedEvent>, batchSize: number): Generator<Buffer> {
  for (const part of inParts(events, batchSize)) yield Buffer.from(`${linesOf(part).join('\n')}\n`);
}

export interface Baselines {
  readonly copyWithoutIndexesPerSecond: number;
  readonly singleInsertsPerSecond: number;
  readonly bytesPerEvent: number;
  /** Only TimescaleDB compresses. */
  readonly bytesPerCompressedEvent: number | undefined;
}

/** Measured on a table that is full of the load's events; empty afterwards. */
export async function measureBaselines(databaseUrl: string, load: IngestionLoad): Promise<Baselines> {
  const { engine } = load;
  const raw = await bytesPerEvent(databaseUrl, engine);
  if (engine === 'timescale') await compressAll(databaseUrl);
  const compressed = engine === 'timescale' ? await bytesPerEvent(databaseUrl, engine) : undefined;
  await dropIndexes(databaseUrl);
  return {
    copyWithoutIndexesPerSecond: await measureBareCopy(databaseUrl, load),
    singleInsertsPerSecond: await measureSingleInserts(databaseUrl, load.events()),
    bytesPerEvent: raw,
    bytesPerCompressedEvent: compressed,
  };
}

/** Empties the table and takes its indexes away, for a COPY that has nothing to keep but rows. */
async function dropIndexes(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query('truncate usage_events');
    const { rows } = await client.query<{ statement: string }>(
      `select format('drop index %s', index.indexrelid::regclass) as statement
       from pg_index as index where index.indrelid = 'usage_events'::regclass`,
    );
    for (const { statement } of rows) await client.query(statement);
  });
}

/**
 * Rows per second of the usual hand-written consumer: one insert per event, each its own transaction, into a table
 * with the same columns whose primary key (org_id, event_id) refuses duplicates by `on conflict do nothing`.
 */
async function measureSingleInserts(databaseUrl: string, events: Iterable<EncodedEvent>): Promise<number> {
  const [first = []] = inParts(events, SINGLE_INSERTS);
  const rows = linesOf(first).map((line) =>
    line.split('\t').map((field) => (field === '\\N' ? null : field)),
  );
  return withClient(databaseUrl, async (client) => {
    await client.query(
      'create table single_inserts (like usage_events including defaults, primary key (org_id, event_id))',
    );
    const columns = /\(([^)]+)\)/.exec(copyUsageEvents.over('usage_events').text)?.[1] ?? '';
    const places = columns.split(',').map((_, n) => `$${n + 1}`);
    const text = `insert into single_inserts (${columns}) values (${places.join(', ')}) on conflict do nothing`;
    const startedAt = performance.now();
    for (const values of rows) await client.query({ name: 'single-insert', text, values });
    return rows.length / ((performance.now() - startedAt) / 1_000);
  });
}

/** Bytes on disk of an event in `usage_events`, with indexes and TOAST. */
async function bytesPerEvent(databaseUrl: string, engine: StorageEngineKind): Promise<number> {
  const size =
    engine === 'timescale'
      ? `hypertable_size('usage_events')`
      : `(select sum(pg_total_relation_size(relid)) from pg_partition_tree('usage_events'))`;
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ bytes: string }>(
      `select ${size} / (select count(*) from usage_events) as bytes`,
    );
    return Number(rows[0]?.bytes);
  });
}

/** Compresses every chunk, as the policy does with days that are over. */
async function compressAll(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (client) =>
    client.query(`select compress_chunk(chunk) from show_chunks('usage_events') as chunk`),
  );
}

async function withClient<T>(databaseUrl: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function linesOf(events: readonly EncodedEvent[]): string[] {
  return events
    .flatMap(({ body }) => decodeUsageMessage(body, RULES, Date.now(), null).events)
    .map(({ event }) => event.copyLine);
}
