import { createDatabase } from '../servers/create-database';
import type { Servers } from '../servers/servers';
import { startServers } from '../servers/start-servers';
import { measureBareCopy } from './baselines';
import { INGESTION_SETTINGS } from './environment';
import { events, STANDARD_LOAD } from './load-shape';
import {
  type EncodedEvent,
  type IngestionFigures,
  type IngestionLoad,
  measureIngestion,
  prepareSchema,
} from './measure-ingestion';

export interface TrialOptions extends Omit<IngestionLoad, 'events'> {
  readonly count: number;
  readonly ids: 'uuidv7' | 'uuidv4';
  /** Whether to throw where TimescaleDB is wanted and cannot be had. */
  readonly required: boolean;
  /** Told what is going on, a line at a time. */
  readonly log: (line: string) => void;
}

export interface TrialFigures extends IngestionFigures {
  readonly copyRowsPerSecond: number;
  /** Names, versions and origins of the servers. */
  readonly servers: string;
}

/** What else is measured on the same servers: `databaseUrl` is the one into which the rows were copied. */
type Further<T> = (trial: {
  databaseUrl: string;
  events: readonly EncodedEvent[];
  servers: Servers;
}) => Promise<T>;

/** Ingestion and, in the same run, a bare COPY of the same rows, on servers of their own; nothing without TimescaleDB. */
export async function ingestionTrial<T = undefined>(
  { count, ids, required, log, ...how }: TrialOptions,
  further?: Further<T>,
): Promise<(TrialFigures & { readonly further: T | undefined }) | undefined> {
  const servers = await startServers({
    postgres: true,
    timescale: how.engine === 'postgres' ? false : required ? 'required' : 'if-present',
    postgresSettings: INGESTION_SETTINGS,
    rabbitmq: true,
    log,
  });
  try {
    if (how.engine === 'timescale' && !servers.timescaleAvailable) {
      log('TimescaleDB was not found, so its half is not measured.');
      return undefined;
    }
    log(`Measuring on ${how.engine}: ${servers.describe()}`);
    const server = how.engine === 'timescale' ? servers.timescaleUrl : servers.databaseUrl;
    // Made anew for each trial, so that the events are as young for each.
    const load = { ...how, events: encoded(count, ids) };
    const ingestion = await measureIngestion(load, servers, await createDatabase(server, 'bench'));
    const databaseUrl = await createDatabase(server, 'bench_copy');
    await prepareSchema(load, databaseUrl);
    const copyRowsPerSecond = await measureBareCopy(databaseUrl, load.events, load.batchSize);
    return {
      ...ingestion,
      copyRowsPerSecond,
      servers: servers.describe(),
      further: await further?.({ databaseUrl, events: load.events, servers }),
    };
  } finally {
    await servers.stop();
  }
}

function encoded(count: number, ids: TrialOptions['ids']): EncodedEvent[] {
  return [...events(count, { ...STANDARD_LOAD, ids })].map((event) => ({
    orgId: event.orgId,
    body: Buffer.from(JSON.stringify(event)),
  }));
}
