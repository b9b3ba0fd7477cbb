// Measures the answers of the API on millions of events and prints the plan of whatever misses its figure.
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { describeEnvironment } from './bench/environment';
import { LARGEST_ORG, type ReadShape } from './bench/read-dataset';
import { writeReport } from './bench/report';
import { DATA_DIR, describeDatabase, POSTGRES_SETTINGS, ServiceOnDataset } from './bench/service-on-dataset';
import { oneOf, runCommand, wholeNumber } from './command-line';
import { developmentToken } from './development-token';

const USAGE = `Usage: npm run bench:read [-- options]

  --events N        events of the last seven days (12000000)
  --runs N          requests per question (60)
  --engine ENGINE   timescale or postgres (timescale)
  --seed N          seed of the data (1)
  --database URL    a database that this command has filled before, or an empty one to fill and use again
  --keep            print the URL of the database and wait for Ctrl-C at the end
  --write NAME      writes NAME.json, for example docs/benchmarks/reading (nothing)
  --help            this text

Each question is asked of a service that remembers nothing of closed buckets, then again of one that does.
Exit code 1 when a question misses its figure without.
`;

interface Question {
  readonly name: string;
  readonly path: string;
  /** The 95th percentile to reach, milliseconds. */
  readonly figureMs: number;
}

const ORG = `/analytics/v1/orgs/${LARGEST_ORG}`;
const QUESTIONS: readonly Question[] = [
  { name: 'usage, 7 days by hour', path: `${ORG}/usage?start=now-7d&end=now&granularity=hour`, figureMs: 100 },
  { name: 'usage, 7 days by day and model', path: `${ORG}/usage?start=now-7d&end=now&granularity=day&groupBy=model`, figureMs: 100 },
  { name: 'usage, 7 days by day in Asia/Kathmandu', path: `${ORG}/usage?start=now-7d&end=now&granularity=day&timezone=Asia/Kathmandu`, figureMs: 100 },
  { name: 'reliability, 7 days by day', path: `${ORG}/reliability?start=now-7d&end=now&granularity=day`, figureMs: 300 },
  { name: 'reliability, 7 days by hour', path: `${ORG}/reliability?start=now-7d&end=now&granularity=hour`, figureMs: 300 },
  { name: 'usage, 13 months by day', path: `${ORG}/usage?start=now-390d&end=now&granularity=day`, figureMs: 300 },
  { name: 'reliability, 7 days by day and model', path: `${ORG}/reliability?start=now-7d&end=now&granularity=day&groupBy=model`, figureMs: 300 },
  { name: 'summary of 7 days', path: `${ORG}/summary?start=now-7d&end=now`, figureMs: 300 },
  { name: 'platform, 7 days by hour', path: '/analytics/v1/usage?start=now-7d&end=now&granularity=hour', figureMs: 1_000 },
  { name: 'platform, 7 days by hour, ten organisations and the others', path: '/analytics/v1/usage?start=now-7d&end=now&granularity=hour&groupBy=org&limit=10', figureMs: 1_000 },
  { name: 'platform reliability, 7 days by hour', path: '/analytics/v1/reliability?start=now-7d&end=now&granularity=hour', figureMs: 1_000 },
  { name: 'freshness', path: `${ORG}/freshness`, figureMs: 100 },
]; // prettier-ignore

const WARM_UP = 5;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '12000000' },
      runs: { type: 'string', default: '60' },
      engine: { type: 'string', default: 'timescale' },
      seed: { type: 'string', default: '1' },
      database: { type: 'string' },
      keep: { type: 'boolean', default: false },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const runs = wholeNumber('--runs', values.runs);
  const engine = oneOf('--engine', values.engine, ['timescale', 'postgres'] as const);
  const shape: ReadShape = {
    events: wholeNumber('--events', values.events),
    days: 7,
    busyOrgEvents: 0,
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
    settings: { CLOSED_BUCKETS_CACHE_TTL: '1ms' },
  });
  const { service, databaseUrl } = measured;
  try {
    const token = await developmentToken({ dataDir: DATA_DIR, role: 'platform-admin', orgId: null });
    const anew = [];
    for (const question of QUESTIONS) anew.push(await ask(service.url, token, question, runs));
    await service.stop();
    const remembering = await ServiceOnDataset.start({ ...dataset, database: databaseUrl });
    const rows: Measured[] = [];
    for (const [index, question] of QUESTIONS.entries()) {
      const again = await ask(remembering.service.url, token, question, runs);
      rows.push({ question, anew: anew[index] as Asked, again });
    }
    await remembering.stop();
    const server = await describeDatabase(databaseUrl);
    if (values.write !== undefined)
      writeReport(values.write, {
        server,
        shape,
        postgres: POSTGRES_SETTINGS,
        runs,
        answers: rows.map(summaryOf),
      });
    await print(rows, shape, databaseUrl, server);
    if (values.keep) {
      log(`Use it again with --database '${databaseUrl}'; Ctrl-C ends it.`);
      // A listener for a signal alone keeps no process alive.
      const alive = setInterval(() => undefined, 60_000);
      await new Promise<void>((done) => process.once('SIGINT', () => done()));
      clearInterval(alive);
    }
  } finally {
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

async function print(
  measured: readonly Measured[],
  shape: ReadShape,
  databaseUrl: string,
  server: string,
): Promise<void> {
  const rows = measured.map(summaryOf);
  console.log(`\n${describeEnvironment()}, ${server}`);
  console.log(`data: ${JSON.stringify(shape)}\nPostgreSQL: ${JSON.stringify(POSTGRES_SETTINGS)}\n`);
  console.table(rows);
  const missed = rows.filter(({ reached }) => !reached);
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
