import { createDatabase } from '../servers/create-database';
import { startServers } from '../servers/start-servers';
import { type Baselines, measureBareCopy, measureBaselines } from './baselines';
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
  readonly ids: 'uuidv7' | 'uuidv4';
  /** Whether to throw where TimescaleDB is wanted and cannot be had. */
  readonly required: boolean;
  /** Whether to measure what other ways of loading reach, and what events take on disk. */
  readonly withBaselines: boolean;
  /** Told what is going on, a line at a time. */
  readonly log: (line: string) => void;
}

export interface TrialFigures extends IngestionFigures {
  readonly copyRowsPerSecond: number;
  readonly baselines: Baselines | undefined;
  /** Names, versions and origins of the servers. */
  readonly servers: string;
}

/**
 * Ingestion and, in the same run, a bare COPY of the same rows, on servers of their own; nothing without TimescaleDB.
 * COPY is measured before and after, so that a machine that becomes slower or faster meanwhile tells on both alike.
 */
export async function ingestionTrial({
  ids,
  required,
  withBaselines,
  log,
  ...how
}: TrialOptions): Promise<TrialFigures | undefined> {
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
    // Made anew each time, so that the events are as young for each.
    const load = { ...how, events: () => encoded(how.count, ids) };
    const bareCopy = async (name: string) => {
      const databaseUrl = await createDatabase(server, name);
      await prepareSchema(load, databaseUrl);
      return { databaseUrl, perSecond: await measureBareCopy(databaseUrl, load) };
    };
    const before = await bareCopy('bench_copy_before');
    const ingestion = await measureIngestion(load, servers, await createDatabase(server, 'bench'));
    const { databaseUrl, perSecond } = await bareCopy('bench_copy_after');
    return {
      ...ingestion,
      // All rows over all time.
      copyRowsPerSecond: 2 / (1 / before.perSecond + 1 / perSecond),
      servers: servers.describe(),
      baselines: withBaselines ? await measureBaselines(databaseUrl, load) : undefined,
    };
  } finally {
    await servers.stop();
  }
}

function* encoded(count: number, ids: TrialOptions['ids']): Generator<EncodedEvent> {
  for (const event of events(count, { ...STANDARD_LOAD, ids }))
    yield { orgId: event.orgId, body: Buffer.from(JSON.stringify(event)) };
}
