import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { Client } from 'pg';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { Progress } from '../progress';
import { ServiceProcess } from '../service-process';
import { measureBareCopy } from './bare-copy';

export interface IngestionRun {
  readonly engine: StorageEngineKind;
  readonly databaseUrl: string;
  /** A second, empty database of the same server for the bare COPY. */
  readonly copyDatabaseUrl: string;
  readonly amqpUrl: string;
  readonly bodies: readonly Buffer[];
  readonly eventsPerMessage: number;
  readonly batchSize: number;
}

export interface IngestionFigures {
  readonly engine: StorageEngineKind;
  readonly eventsPerSecond: number;
  readonly copyRowsPerSecond: number;
  /** Of the service, in MB (1e6 bytes). */
  readonly peakMemoryMb: number;
}

/**
 * Fills the stream, starts the service on it and follows the cursor; then copies the same rows bare. The rate counts
 * from the first tenth to the last event committed, so that neither the start of the process nor its first,
 * uncompiled batches are in it. Throws when not every event was stored.
 */
export async function measureIngestion(run: IngestionRun): Promise<IngestionFigures> {
  await declareTopology(run);
  await fillStream(run);
  const service = await start(run, run.databaseUrl, 'api,ingest,worker');
  let eventsPerSecond: number;
  let peakMemoryMb: number;
  try {
    eventsPerSecond = await followCursor(run);
    peakMemoryMb = peakMemoryOf(service.pid);
  } finally {
    await service.stop();
  }
  // The service prepares the second database exactly as the first.
  await (await start(run, run.copyDatabaseUrl, 'api')).stop();
  const copyRowsPerSecond = await measureBareCopy(run.copyDatabaseUrl, run.bodies, run.batchSize);
  return { engine: run.engine, eventsPerSecond, copyRowsPerSecond, peakMemoryMb };
}

async function declareTopology(run: IngestionRun): Promise<void> {
  await (await start(run, run.databaseUrl, 'api')).stop();
}

async function start(run: IngestionRun, databaseUrl: string, roles: string): Promise<ServiceProcess> {
  const directory = join('.data', 'bench');
  mkdirSync(directory, { recursive: true });
  const service = await ServiceProcess.start(
    {
      NODE_ENV: 'development',
      SERVICE_ROLES: roles,
      DATA_DIR: directory,
      DATABASE_URL: databaseUrl,
      STORAGE_ENGINE: run.engine,
      AMQP_URL: run.amqpUrl,
      INGEST_BATCH_SIZE: String(run.batchSize),
      LOG_LEVEL: 'warn',
    },
    join(directory, `${run.engine}.log`),
  );
  await service.ready();
  return service;
}

async function fillStream({ amqpUrl, bodies, eventsPerMessage }: IngestionRun): Promise<void> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  const progress = new Progress('Filling the stream', bodies.length, 'events');
  for (let start = 0; start < bodies.length; start += eventsPerMessage) {
    const slice = bodies.slice(start, start + eventsPerMessage);
    const body = eventsPerMessage === 1 ? slice[0] : Buffer.from(`[${slice.join(',')}]`);
    // The routing key only chooses the partition, and there is one.
    channel.publish('analytics.usage', 'usage.bench', body ?? Buffer.alloc(0), { persistent: true });
    if (start % 2_000 === 0) {
      await channel.waitForConfirms();
      progress.to(start);
    }
  }
  await channel.waitForConfirms();
  progress.to(bodies.length);
  progress.stop();
  await connection.close();
}

async function followCursor({ databaseUrl, bodies }: IngestionRun): Promise<number> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const progress = new Progress('Ingesting', bodies.length, 'events');
  try {
    for (let seen = -1, seenAt = Date.now(), done = false; !done; await sleep(100)) {
      const { rows } = await client.query<{ stored: string }>(
        'select coalesce(sum(stored), 0) as stored from ingest_batches',
      );
      const stored = Number(rows[0]?.stored);
      progress.to(stored);
      done = stored >= bodies.length;
      if (stored !== seen) [seen, seenAt] = [stored, Date.now()];
      if (Date.now() - seenAt > 60_000)
        throw new Error(`Only ${stored} of ${bodies.length} events were stored.`);
    }
    progress.stop();
    // The database's own clock and counts: polling has no part in the figure.
    const { rows } = await client.query<{ rate: string }>(
      `with batches as (
         select stored, committed_at, sum(stored) over (order by batch_id) as stored_through from ingest_batches
       ), steady as (
         select * from batches where stored_through >= $1::bigint / 10
       )
       select (sum(stored) - (array_agg(stored order by stored_through))[1])
         / extract(epoch from max(committed_at) - min(committed_at)) as rate
       from steady`,
      [bodies.length],
    );
    return Number(rows[0]?.rate);
  } finally {
    await client.end();
  }
}

/** The largest resident set so far (Linux, VmHWM); 0 where the system does not tell. */
function peakMemoryOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024) / 1e6;
  } catch {
    return 0;
  }
}
