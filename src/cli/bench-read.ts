// Measures the answers of the API on millions of events and prints the plan of whatever misses its figure.
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { describeEnvironment } from './bench/environment';
import { LARGEST_ORG, type ReadShape, THIRTEEN_MONTHS_DAYS } from './bench/read-dataset';
import { type LiveFigures, LiveLoad } from './bench/live-load';
import { ORG_QUESTIONS, pathOf, PLATFORM_QUESTIONS, type Question } from './bench/read-questions';
import { type ReadersFigures, readTogether } from './bench/readers';
import { writeReport } from './bench/report';
import { DATA_DIR, describeDatabase, POSTGRES_SETTINGS, ServiceOnDataset } from './bench/service-on-dataset';
import { oneOf, runCommand, wholeNumber } from './command-line';
import { developmentToken } from './development-token';

const USAGE = `Usage: npm run bench:read [-- options]

  --events N        events of the last hours (12000000)
  --hours N         so many hours (168)
  --runs N          requests per question (60)
  --live-rate N     events a second from 20 minutes before the questions to their end (as many as before)
  --late-rate N     beside those, events a second that occurred up to an hour before (0)
  --engine ENGINE   timescale or postgres (timescale)
  --seed N          seed of the data (1)
  --oldest-days N   days back to the oldest event (395); those before have few
  --readers LIST    so many readers at once, one number after the other (1,4,16,64)
  --seconds N       how long each of these asks (10)
  --database URL    a database that this command has filled before, or an empty one to fill and use again
  --keep            print the URL of the database and wait for Ctrl-C at the end
  --any-figure      no figure is missed, however slow the answers are
  --write NAME      writes NAME.json, for example docs/benchmarks/reading (nothing)
  --help            this text

Each question is asked of a service that remembers nothing of closed buckets, then again of one that does. Of that one
readers ask at once, each for its own organisation and without a pause.
Exit code 1 when a question misses its figure without what is remembered, or is answered with an error.
`;

/** Of the largest organisation, and of the platform. */
const QUESTIONS: readonly Question[] = [
  ...ORG_QUESTIONS.map((question) => ({ ...question, path: pathOf(LARGEST_ORG, question) })),
  ...PLATFORM_QUESTIONS,
];

const WARM_UP = 5;

/** One principal asks for everybody here. */
const UNLIMITED = { RATE_LIMIT_PER_MINUTE: '0' };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '12000000' },
      hours: { type: 'string', default: '168' },
      'live-rate': { type: 'string' },
      'late-rate': { type: 'string' },
      runs: { type: 'string', default: '60' },
      engine: { type: 'string', default: 'timescale' },
      seed: { type: 'string', default: '1' },
      'oldest-days': { type: 'string', default: String(THIRTEEN_MONTHS_DAYS) },
      readers: { type: 'string', default: '1,4,16,64' },
      seconds: { type: 'string', default: '10' },
      'any-figure': { type: 'boolean', default: false },
      database: { type: 'string' },
      keep: { type: 'boolean', default: false },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const runs = wholeNumber('--runs', values.runs);
  const readers = values.readers.split(',').map((each) => wholeNumber('--readers', each));
  const seconds = wholeNumber('--seconds', values.seconds);
  const engine = oneOf('--engine', values.engine, ['timescale', 'postgres'] as const);
  const { 'live-rate': liveRate, 'late-rate': lateRate } = values;
  const shape: ReadShape = {
    events: wholeNumber('--events', values.events),
    days: wholeNumber('--hours', values.hours) / 24,
    oldestDays: wholeNumber('--oldest-days', values['oldest-days']),
    busyOrgEvents: 0,
    liveRate: liveRate === undefined ? null : wholeNumber('--live-rate', liveRate),
    lateRate: lateRate === undefined ? 0 : wholeNumber('--late-rate', lateRate),
    orgs: 250,
    models: 40,
    clients: 5,
    seed: wholeNumber('--seed', values.seed),
  };
  const log = (line: string): void => console.error(line);
  const dataset = { engine, shape, log };
  const measured = await ServiceOnDataset.start({
    ...dataset,
    database: values.database,
    settings: { ...UNLIMITED, CLOSED_BUCKETS_CACHE_TTL: '1ms' },
  });
  const { service, databaseUrl } = measured;
  const live = shape.liveRate || shape.lateRate ? new LiveLoad(databaseUrl, shape) : undefined;
  try {
    const token = await developmentToken({ dataDir: DATA_DIR, role: 'platform-admin', orgId: null });
    const anew = [];
    for (const question of QUESTIONS) anew.push(await ask(service.url, token, question, runs));
    await service.stop();
    const remembering = await ServiceOnDataset.start({
      ...dataset,
      database: databaseUrl,
      settings: UNLIMITED,
    });
    const rows: Measured[] = [];
    const together: ReadersFigures[] = [];
    try {
      for (const [index, question] of QUESTIONS.entries()) {
        const again = await ask(remembering.service.url, token, question, runs);
        rows.push({ question, anew: anew[index] as Asked, again });
      }
      const pathsOf = (orgId: string): string[] => ORG_QUESTIONS.map((question) => pathOf(orgId, question));
      for (const count of readers) {
        log(`${count} readers at once for ${seconds} s`);
        together.push(await readTogether(remembering.service.url, token, pathsOf, count, seconds));
      }
    } finally {
      await remembering.stop();
    }
    const server = await describeDatabase(databaseUrl);
    const liveFigures = await live?.stop();
    if (values.write !== undefined)
      writeReport(values.write, {
        server,
        shape,
        postgres: POSTGRES_SETTINGS,
        runs,
        answers: rows.map(summaryOf),
        together,
        live: liveFigures,
      });
    print(rows, together, liveFigures, shape, server);
    await judge(rows, databaseUrl, values['any-figure']);
    if (values.keep) {
      log(`Use it again with --database '${databaseUrl}'; Ctrl-C ends it.`);
      // A listener for a signal alone keeps no process alive.
      const alive = setInterval(() => undefined, 60_000);
      await new Promise<void>((done) => process.once('SIGINT', () => done()));
      clearInterval(alive);
    }
  } finally {
    // What it failed with was told above, unless something else had failed before.
    await live?.stop().catch(() => undefined);
    await measured.stop();
  }
}

interface Asked {
  /** Of the first request, when its part of the data has not been read since it was loaded. */
  readonly firstMs: number;
  /** Ascending. */
  readonly ms: readonly number[];
  /** Answered with an error, for example because it took longer than DATABASE_STATEMENT_TIMEOUT. */
  readonly refused: number;
  readonly rows: number;
}

interface Measured {
  readonly question: Question;
  /** With nothing remembered of what is closed. */
  readonly anew: Asked;
  /** With what the first runs have left. */
  readonly again: Asked;
}

async function ask(url: string, token: string, question: Question, runs: number): Promise<Asked> {
  const ms: number[] = [];
  let [firstMs, rows, refused] = [0, 0, 0];
  for (let run = 0; run < runs + WARM_UP; run += 1) {
    const startedAt = performance.now();
    const answer = await fetch(`${url}${question.path}`, { headers: { authorization: `Bearer ${token}` } });
    const body = (await answer.json()) as { series?: unknown[] };
    const took = performance.now() - startedAt;
    if (run === 0) firstMs = took;
    if (run >= WARM_UP) ms.push(took);
    if (!answer.ok) refused += 1;
    rows = body.series?.length ?? 1;
  }
  return { firstMs, ms: ms.sort((a, b) => a - b), refused, rows };
}

/** Milliseconds, of all runs but the first ones. */
function summaryOf({ question, anew, again }: Measured) {
  const at = (share: number, { ms }: Asked): number => Math.round(ms[Math.ceil(ms.length * share) - 1] ?? 0);
  const p95 = at(0.95, anew);
  return {
    question: question.name,
    rows: anew.rows,
    'first ms': Math.round(anew.firstMs),
    'p50 ms': at(0.5, anew),
    'p95 ms': p95,
    'p99 ms': at(0.99, anew),
    'again p50 ms': at(0.5, again),
    'again p95 ms': at(0.95, again),
    'figure ms': question.figureMs,
    refused: anew.refused + again.refused,
    reached: p95 <= question.figureMs && anew.refused === 0,
  };
}

function print(
  measured: readonly Measured[],
  together: readonly ReadersFigures[],
  live: LiveFigures | undefined,
  shape: ReadShape,
  server: string,
): void {
  console.log(`\n${describeEnvironment()}, ${server}`);
  console.log(`data: ${JSON.stringify(shape)}\nPostgreSQL: ${JSON.stringify(POSTGRES_SETTINGS)}\n`);
  console.table(measured.map(summaryOf));
  console.log(
    '\nOrganisations asking at once, each its own questions one after the other; the client is on the same machine:',
  );
  console.table(together);
  if (live) console.log(`\nMeanwhile, in seconds: ${JSON.stringify(live)}`);
}

async function judge(measured: readonly Measured[], databaseUrl: string, anyFigure: boolean): Promise<void> {
  const rows = measured.map(summaryOf);
  const missed = rows.filter(({ reached, refused }) => refused > 0 || (!reached && !anyFigure));
  if (missed.length === 0) return;
  process.exitCode = 1;
  console.log(`Missed: ${missed.map(({ question }) => question).join('; ')}. The plans that took long:\n`);
  console.log(await slowPlans(databaseUrl));
}

async function slowPlans(databaseUrl: string): Promise<string> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ tail: string }>(
    'select right(pg_read_file(pg_current_logfile()), 12000) as tail',
  );
  await client.end();
  return rows[0]?.tail ?? '';
}

runCommand(main);
