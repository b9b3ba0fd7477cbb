import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { Client } from 'pg';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { Progress } from '../progress';
import type { Servers } from '../servers/servers';
import { ServiceProcess } from '../service-process';
import { cpuSeconds, residentMb } from './process-usage';
import { brokerSettings, type Protocol } from './protocol';

/** What is measured, and how it is handed over. */
export interface IngestionLoad {
  readonly engine: StorageEngineKind;
  readonly count: number;
  /** `count` events, made anew each time: 16 million would not fit into the memory of a process. */
  readonly events: () => Iterable<EncodedEvent>;
  readonly eventsPerMessage: number;
  readonly batchSize: number;
  readonly partitions: number;
  /** What the service reads the stream by. */
  readonly protocol: Protocol;
}

/** In the form in which the stream delivers it. */
export interface EncodedEvent {
  readonly orgId: string;
  readonly body: Buffer;
}

export interface IngestionFigures {
  readonly eventsPerSecond: number;
  /** Of the service, in MB (1e6 bytes). */
  readonly peakMemoryMb: number;
  /** Seconds of one core for a million events. */
  readonly cpuPerMillion: Readonly<Record<Party, number>>;
}

const PARTIES = ['service', 'postgres', 'rabbitmq'] as const;
type Party = (typeof PARTIES)[number];

/**
 * Fills the stream, starts the service on it and follows the cursor. Rate and CPU time count from the first tenth to
 * the last event committed, so that neither the start of the process nor its first, uncompiled batches are in them.
 * Throws when not every event was stored. `databaseUrl` is an empty database of `servers`.
 */
export async function measureIngestion(
  load: IngestionLoad,
  servers: Servers,
  databaseUrl: string,
): Promise<IngestionFigures> {
  const settings = { ...settingsOf(load, databaseUrl), ...brokerSettings(load.protocol, servers) };
  // Declares the topology too.
  await (await start({ ...settings, SERVICE_ROLES: 'api' }, load.engine)).stop();
  await fillStream(load, servers.amqpUrl);
  const service = await start(settings, load.engine);
  try {
    const pids = { service: service.pid, postgres: servers.postgres.pid, rabbitmq: servers.rabbitmq.pid };
    const usedBy = (party: Party): number => (pids[party] ? cpuSeconds(pids[party]) : NaN);
    const rate = await followCursor(databaseUrl, load.count, usedBy);
    return { ...rate, peakMemoryMb: residentMb(service.pid, 'VmHWM') };
  } finally {
    await service.stop();
  }
}

/** Makes the schema in another empty database, exactly as for a measurement. */
export async function prepareSchema(load: IngestionLoad, databaseUrl: string): Promise<void> {
  await (await start({ ...settingsOf(load, databaseUrl), SERVICE_ROLES: 'api' }, load.engine)).stop();
}

function settingsOf({ engine, batchSize, partitions }: IngestionLoad, databaseUrl: string) {
  return {
    NODE_ENV: 'development',
    DATA_DIR: DIRECTORY,
    DATABASE_URL: databaseUrl,
    STORAGE_ENGINE: engine,
    INGEST_BATCH_SIZE: String(batchSize),
    INGEST_PARTITIONS: String(partitions),
    LOG_LEVEL: 'warn',
  };
}

const DIRECTORY = join('.data', 'bench');

async function start(settings: Record<string, string>, engine: StorageEngineKind): Promise<ServiceProcess> {
  mkdirSync(DIRECTORY, { recursive: true });
  const service = await ServiceProcess.start(settings, join(DIRECTORY, `${engine}.log`));
  await service.ready();
  return service;
}

async function fillStream(
  { count, events, eventsPerMessage }: IngestionLoad,
  amqpUrl: string,
): Promise<void> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  const progress = new Progress('Filling the stream', count, 'events');
  let published = 0;
  for (const message of inParts(events(), eventsPerMessage)) {
    const [first] = message;
    const body =
      eventsPerMessage === 1 ? first?.body : Buffer.from(`[${message.map((each) => each.body).join(',')}]`);
    // The routing key only chooses the partition.
    channel.publish('analytics.usage', `usage.${first?.orgId}`, body ?? Buffer.alloc(0), {
      persistent: true,
    });
    published += message.length;
    if (published % 2_000 === 0) {
      await channel.waitForConfirms();
      progress.to(published);
    }
  }
  await channel.waitForConfirms();
  progress.to(published);
  progress.stop();
  await connection.close();
}

/** The items in parts of `size`; the last may be smaller. */
export function* inParts<Item>(items: Iterable<Item>, size: number): Generator<Item[]> {
  let part: Item[] = [];
  for (const item of items) {
    part.push(item);
    if (part.length < size) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

async function followCursor(
  databaseUrl: string,
  count: number,
  usedBy: (party: Party) => number,
): Promise<Omit<IngestionFigures, 'peakMemoryMb'>> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const progress = new Progress('Ingesting', count, 'events');
  let warm: { readonly stored: number; readonly used: readonly number[] } | undefined;
  try {
    let stored = 0;
    for (let seenAt = Date.now(); stored < count; await sleep(100)) {
      const { rows } = await client.query<{ stored: string }>(
        'select coalesce(sum(stored), 0) as stored from ingest_batches',
      );
      if (Number(rows[0]?.stored) !== stored) seenAt = Date.now();
      stored = Number(rows[0]?.stored);
      progress.to(stored);
      if (stored >= count / 10) warm ??= { stored, used: PARTIES.map(usedBy) };
      if (Date.now() - seenAt > 60_000) throw new Error(`Only ${stored} of ${count} events were stored.`);
    }
    const used = PARTIES.map(usedBy);
    progress.stop();
    const perMillion = (party: number): number =>
      ((used[party] ?? NaN) - (warm?.used[party] ?? NaN)) / ((stored - (warm?.stored ?? 0)) / 1e6);
    return {
      eventsPerSecond: await steadyRate(client, count),
      cpuPerMillion: { service: perMillion(0), postgres: perMillion(1), rabbitmq: perMillion(2) },
    };
  } finally {
    await client.end();
  }
}

/** Events a second by the database's own clock and counts: polling has no part in it. */
async function steadyRate(client: Client, count: number): Promise<number> {
  const { rows } = await client.query<{ rate: string }>(
    `with batches as (
       select stored, committed_at, sum(stored) over (order by batch_id) as stored_through from ingest_batches
     ), steady as (
       select * from batches where stored_through >= $1::bigint / 10
     )
     select (sum(stored) - (array_agg(stored order by stored_through))[1])
       / extract(epoch from max(committed_at) - min(committed_at)) as rate
     from steady`,
    [count],
  );
  return Number(rows[0]?.rate);
}
