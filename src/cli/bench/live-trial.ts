import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { StorageEngineKind } from '../../platform/database/storage-engine';
import { developmentToken } from '../development-token';
import { Progress } from '../progress';
import { createDatabase } from '../servers/create-database';
import { startServers } from '../servers/start-servers';
import { ServiceProcess } from '../service-process';
import { INGESTION_SETTINGS } from './environment';
import { orgIdOf, STANDARD_LOAD } from './load-shape';
import { PacedPublisher } from './paced-publisher';
import { brokerSettings, type Protocol } from './protocol';
import { residentMb } from './process-usage';
import { VisibleDelay } from './visible-delay';

const DIRECTORY = join('.data', 'bench');
const WATCHED_ORG = orgIdOf(0);
const NOTE_EVERY_MS = 10;
const ASK_EVERY_MS = 100;
const SAMPLE_EVERY_MS = 1_000;
const MOST_REST_SECONDS = 300;

/** A steady pace for some time. */
export interface Phase {
  readonly perSecond: number;
  readonly seconds: number;
}

export interface LiveSample {
  /** Since publishing began. */
  readonly second: number;
  readonly confirmed: number;
  /** Confirmed and not committed. */
  readonly backlog: number;
  /** How long the oldest event had waited that the latest answer did not show, milliseconds. */
  readonly visibleDelayMs: number;
  /** Of the service, MB (1e6 bytes). */
  readonly memoryMb: number;
}

export interface LiveFigures {
  /** Names, versions and origins of the servers. */
  readonly servers: string;
  readonly samples: readonly LiveSample[];
  readonly confirmed: number;
  /** Events that the broker did not take. */
  readonly refused: number;
  readonly stored: number;
  readonly identities: number;
  /** Milliseconds from the confirm to the first answer that shows the event. */
  readonly visible: ReturnType<VisibleDelay['result']>;
  readonly peakMemoryMb: number;
  /** Seconds from the end of the first phase until less than one second of it was not committed. */
  readonly drainSeconds: number;
}

export interface LiveOptions {
  readonly engine: StorageEngineKind;
  readonly protocol: Protocol;
  readonly phases: readonly Phase[];
  /** Told what is going on, a line at a time. */
  readonly log: (line: string) => void;
}

/**
 * Publishes events that occur now, one a message, at the pace of each phase, while the service ingests them and answers
 * for an organisation ten times a second, all on this machine. Ends when all that was confirmed is committed; throws
 * when that does not happen within five minutes.
 */
export async function liveTrial({ engine, protocol, phases, log }: LiveOptions): Promise<LiveFigures> {
  const servers = await startServers({
    postgres: true,
    timescale: engine === 'timescale' ? 'required' : false,
    postgresSettings: INGESTION_SETTINGS,
    rabbitmq: true,
    log,
  });
  try {
    const serverUrl = engine === 'timescale' ? servers.timescaleUrl : servers.databaseUrl;
    const databaseUrl = await createDatabase(serverUrl, 'bench_live');
    mkdirSync(DIRECTORY, { recursive: true });
    const settings = {
      NODE_ENV: 'development',
      DATA_DIR: DIRECTORY,
      DATABASE_URL: databaseUrl,
      STORAGE_ENGINE: engine,
      ...brokerSettings(protocol, servers),
      LOG_LEVEL: 'warn',
    };
    const service = await ServiceProcess.start(settings, join(DIRECTORY, 'live.log'));
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await service.ready();
      log(`Measuring on ${engine}: ${servers.describe()}`);
      const publisher = await PacedPublisher.connect(servers.amqpUrl, STANDARD_LOAD, WATCHED_ORG);
      const figures = await follow(service, client, publisher, phases);
      await publisher.close();
      return { servers: servers.describe(), ...figures };
    } finally {
      await client.end();
      await service.stop();
    }
  } finally {
    await servers.stop();
  }
}

async function follow(
  service: ServiceProcess,
  client: Client,
  publisher: PacedPublisher,
  phases: readonly Phase[],
): Promise<Omit<LiveFigures, 'servers'>> {
  const token = await developmentToken({ dataDir: DIRECTORY, role: 'platform-admin', orgId: null });
  const since = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000).toISOString();
  const question = `${service.url}/analytics/v1/orgs/${WATCHED_ORG}/usage?start=${since}&granularity=hour`;
  const delay = new VisibleDelay();
  const samples: LiveSample[] = [];
  const startedAt = performance.now();
  const total = phases.reduce((sum, { perSecond, seconds }) => sum + perSecond * seconds, 0);
  const progress = new Progress('Publishing', total, 'events');
  let isOver = false;

  const noting = repeat(NOTE_EVERY_MS, () => isOver, () =>
    Promise.resolve(delay.noteConfirmed(performance.now(), publisher.confirmedOfWatched)),
  ); // prettier-ignore
  const asking = repeat(ASK_EVERY_MS, () => isOver, async () => {
    const answer = await fetch(question, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`The service answered ${answer.status}: ${await answer.text()}`);
    const { totals } = (await answer.json()) as { totals: { requests: number } };
    // When the answer is here: until then nobody has seen the event.
    delay.noteSeen(performance.now(), totals.requests);
  }); // prettier-ignore
  const sampling = repeat(SAMPLE_EVERY_MS, () => isOver, async () => {
    const confirmed = publisher.confirmed;
    samples.push({
      second: (performance.now() - startedAt) / 1_000,
      confirmed,
      backlog: Math.max(0, confirmed - (await committed(client))),
      visibleDelayMs: delay.latest,
      memoryMb: residentMb(service.pid, 'VmRSS'),
    });
    progress.to(confirmed);
  }); // prettier-ignore

  const publishing = (async () => {
    for (const { perSecond, seconds } of phases) await publisher.run(perSecond, seconds);
    for (let waited = 0; (await committed(client)) < publisher.confirmed; waited += 0.1) {
      if (waited > MOST_REST_SECONDS)
        throw new Error(`Only ${await committed(client)} of ${publisher.confirmed} events were stored.`);
      await sleep(100);
    }
    await sleep(2 * SAMPLE_EVERY_MS);
  })().finally(() => (isOver = true));
  await Promise.all([publishing, noting, asking, sampling]);
  progress.stop();

  const { rows } = await client.query<{ stored: string; identities: string }>(
    'select count(*) as stored, count(distinct (org_id, event_id)) as identities from usage_events',
  );
  return {
    samples,
    confirmed: publisher.confirmed,
    refused: publisher.refused,
    stored: Number(rows[0]?.stored),
    identities: Number(rows[0]?.identities),
    visible: delay.result(),
    peakMemoryMb: residentMb(service.pid, 'VmHWM'),
    drainSeconds: drainOf(samples, phases[0]),
  };
}

async function committed(client: Client): Promise<number> {
  const { rows } = await client.query<{ stored: string }>(
    'select coalesce(sum(stored), 0) as stored from ingest_batches',
  );
  return Number(rows[0]?.stored);
}

async function repeat(everyMs: number, isOver: () => boolean, work: () => Promise<void>): Promise<void> {
  while (!isOver()) {
    await work();
    await sleep(everyMs);
  }
}

function drainOf(samples: readonly LiveSample[], first: Phase | undefined): number {
  if (!first) return 0;
  const after = samples.filter(({ second }) => second >= first.seconds);
  const drained = after.find(({ backlog }) => backlog < first.perSecond);
  return drained ? Math.max(0, drained.second - first.seconds) : Infinity;
}
