// Measures exports: a month by the hour of the largest organisation, and millions of single events.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeEnvironment } from './bench/environment';
import { residentMb } from './bench/process-usage';
import { BUSY_ORG, LARGEST_ORG, type ReadShape, THIRTEEN_MONTHS_DAYS } from './bench/read-dataset';
import { writeReport } from './bench/report';
import { DATA_DIR, describeDatabase, POSTGRES_SETTINGS, ServiceOnDataset } from './bench/service-on-dataset';
import { oneOf, runCommand, wholeNumber } from './command-line';
import { developmentToken } from './development-token';
import { Progress } from './progress';

const USAGE = `Usage: npm run bench:export [-- options]

  --events N        events of 250 organisations in the last 31 days (12000000)
  --raw-events N    events of one more organisation in the last seven days (5000000)
  --engine ENGINE   timescale or postgres (timescale)
  --seed N          seed of the data (1)
  --database URL    a database that this command has filled before, or an empty one to fill and use again
  --keep            print the URL of the database and wait for Ctrl-C at the end
  --write NAME      writes NAME.json, for example docs/benchmarks/exports (nothing)
  --help            this text

Files go to the local disk. Exit code 1 when an export failed, took longer than 60 s, or the memory of the service grew
by more than 128 MB over what it held before the first one.
`;

const FIGURE_SECONDS = 60;
const FIGURE_GROWTH_MB = 128;

interface Export {
  readonly name: string;
  readonly orgId: string;
  readonly body: object;
}

interface Measured {
  readonly export: string;
  readonly rows: number;
  readonly seconds: number;
  readonly megabytes: number;
  /** The largest resident set while it ran beyond that before the first export, MB (1e6 bytes). */
  readonly growthMb: number;
}

const HOUR_MS = 3_600_000;
const END = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
const lastDays = (days: number) => ({
  start: new Date(END - days * 24 * HOUR_MS).toISOString(),
  end: new Date(END + HOUR_MS).toISOString(),
});
const month = { start: new Date(END - 31 * 24 * HOUR_MS).toISOString(), end: new Date(END).toISOString() };
const EXPORTS: readonly Export[] = [
  { name: '31 days by the hour, csv', orgId: LARGEST_ORG, body: { window: month, granularity: 'hourly', format: 'csv' } },
  { name: '31 days by the hour, csv.gz', orgId: LARGEST_ORG, body: { window: month, granularity: 'hourly', format: 'csv.gz' } },
  { name: '31 days by the hour, focus', orgId: LARGEST_ORG, body: { window: month, granularity: 'hourly', format: 'focus' } },
  { name: 'single events, csv', orgId: BUSY_ORG, body: { window: lastDays(7), granularity: 'events', format: 'csv' } },
  { name: 'single events, csv.gz', orgId: BUSY_ORG, body: { window: lastDays(7), granularity: 'events', format: 'csv.gz' } },
]; // prettier-ignore

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '12000000' },
      'raw-events': { type: 'string', default: '5000000' },
      engine: { type: 'string', default: 'timescale' },
      seed: { type: 'string', default: '1' },
      database: { type: 'string' },
      keep: { type: 'boolean', default: false },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const engine = oneOf('--engine', values.engine, ['timescale', 'postgres'] as const);
  const shape: ReadShape = {
    events: wholeNumber('--events', values.events),
    days: 31,
    oldestDays: THIRTEEN_MONTHS_DAYS,
    busyOrgEvents: wholeNumber('--raw-events', values['raw-events']),
    liveRate: null,
    lateRate: 0,
    orgs: 250,
    models: 40,
    clients: 5,
    seed: wholeNumber('--seed', values.seed),
  };
  const log = (line: string): void => console.error(line);
  const { service, databaseUrl, stop } = await ServiceOnDataset.start({ engine, shape, database: values.database, log }); // prettier-ignore
  try {
    const token = await developmentToken({ dataDir: DATA_DIR, role: 'platform-admin', orgId: null });
    const progress = new Progress('Exporting', EXPORTS.length, 'exports');
    const before = residentMb(service.pid, 'VmRSS');
    const measured: Measured[] = [];
    for (const each of EXPORTS) {
      measured.push(await run(each, service.url, token, () => residentMb(service.pid, 'VmHWM') - before));
      progress.advance(1);
    }
    progress.stop();
    const server = await describeDatabase(databaseUrl);
    if (values.write !== undefined)
      writeReport(values.write, {
        server,
        shape,
        postgres: POSTGRES_SETTINGS,
        memoryBeforeMb: before,
        exports: measured,
      });
    print(measured, shape, before, server);
    if (values.keep) {
      log(`Use it again with --database '${databaseUrl}'; Ctrl-C ends it.`);
      await new Promise<void>((done) => process.once('SIGINT', () => done()));
    }
  } finally {
    await stop();
  }
}

async function run(
  { name, orgId, body }: Export,
  url: string,
  token: string,
  growthMb: () => number,
): Promise<Measured> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const path = `${url}/analytics/v1/orgs/${orgId}/exports`;
  const startedAt = performance.now();
  const asked = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  let job = (await asked.json()) as Job;
  if (!asked.ok) throw new Error(`${name}: ${asked.status} ${job.detail ?? ''}`);
  while (job.state === 'pending' || job.state === 'running') {
    await sleep(50);
    job = (await (await fetch(`${path}/${job.jobId}`, { headers })).json()) as Job;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  if (job.state !== 'succeeded') throw new Error(`${name}: ${job.state} ${JSON.stringify(job)}`);
  const manifest = (await (await fetch(`${path}/${job.jobId}/manifest`, { headers })).json()) as Manifest;
  return {
    export: name,
    rows: manifest.file.rows,
    seconds,
    megabytes: manifest.file.bytes / 1e6,
    growthMb: growthMb(),
  };
}

interface Job {
  readonly jobId: string;
  readonly state: string;
  readonly detail?: string;
}

interface Manifest {
  readonly file: { readonly rows: number; readonly bytes: number };
}

function print(measured: readonly Measured[], shape: ReadShape, before: number, server: string): void {
  console.log(`\n${describeEnvironment()}, ${server}`);
  console.log(`data: ${JSON.stringify(shape)}\nPostgreSQL: ${JSON.stringify(POSTGRES_SETTINGS)}`);
  console.log(`memory of the service before: ${Math.round(before)} MB\n`);
  console.table(
    measured.map(({ export: name, rows, seconds, megabytes, growthMb }) => ({
      export: name,
      rows,
      seconds: Number(seconds.toFixed(1)),
      'rows/s': Math.round(rows / seconds),
      'MB/s': Number((megabytes / seconds).toFixed(1)),
      MB: Math.round(megabytes),
      'growth, MB': Math.round(growthMb),
      reached: isReached({ seconds, growthMb }),
    })),
  );
  if (!measured.every(isReached)) process.exitCode = 1;
}

function isReached({ seconds, growthMb }: Pick<Measured, 'seconds' | 'growthMb'>): boolean {
  return seconds <= FIGURE_SECONDS && growthMb <= FIGURE_GROWTH_MB;
}

runCommand(main);
