// Runs all measurements one after the other and holds their ratios together; --smoke is a short one for every change.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeEnvironment } from './bench/environment';
import type { TrialFigures } from './bench/ingestion-trial';
import type { LiveFigures } from './bench/live-trial';
import { runCommand } from './command-line';

const USAGE = `Usage: npm run bench [-- options]

  --write DIRECTORY   where the reports go (docs/benchmarks; --smoke: a temporary directory)
  --only NAMES        some of the measurements, separated by commas
  --smoke             small and short: under two minutes
  --help              this text

The whole takes some three hours and 60 GB, and wants a machine of its own. Exit code 1 when a measurement failed, an event was lost or
doubled, or a ratio within the run is below what it must be. No absolute figure fails it.
`;

interface Measurement {
  readonly name: string;
  /** Of `node cli.mjs`. */
  readonly words: readonly string[];
}

const WHOLE: readonly Measurement[] = [
  { name: 'ingestion', words: ['bench-ingest', '--events', '1000000', '--baselines'] },
  { name: 'ingestion-100-a-message', words: ['bench-ingest', '--events', '2000000', '--events-per-message', '100'] },
  { name: 'ingestion-2-partitions', words: ['bench-ingest', '--events', '1000000', '--partitions', '2'] },
  { name: 'ingestion-random-ids', words: ['bench-ingest', '--events', '1000000', '--ids', 'uuidv4'] },
  { name: 'ingestion-4-times', words: ['bench-ingest', '--engine', 'timescale', '--events', '4000000'] },
  { name: 'ingestion-16-times', words: ['bench-ingest', '--engine', 'timescale', '--events', '16000000'] },
  { name: 'steady', words: ['bench-burst', '--rate', '3000', '--seconds', '120', '--then-seconds', '10'] },
  { name: 'burst', words: ['bench-burst'] },
  { name: 'reading-quarter', words: ['bench-read', '--events', '3000000'] },
  { name: 'reading', words: ['bench-read'] },
  { name: 'reading-100m', words: ['bench-read', '--events', '100000000'] },
  { name: 'exports', words: ['bench-export'] },
]; // prettier-ignore

const SMOKE: readonly Measurement[] = [
  { name: 'ingestion', words: ['bench-ingest', '--events', '100000', '--baselines'] },
  { name: 'reading', words: ['bench-read', '--engine', 'postgres', '--events', '50000', '--oldest-days', '40', '--runs', '3', '--readers', '4', '--seconds', '3', '--any-figure'] },
  { name: 'steady', words: ['bench-burst', '--engine', 'postgres', '--rate', '1000', '--seconds', '6', '--then', '500', '--then-seconds', '3'] },
]; // prettier-ignore

/** Of the rate of a bare COPY of the same rows: less than half of what was measured with nothing else on the machine. */
const LEAST_OF_COPY = 0.15;
/** Times the rate of one insert per event. */
const LEAST_OF_SINGLE_INSERTS = 3;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      write: { type: 'string' },
      only: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const all = values.smoke ? SMOKE : WHOLE;
  const directory =
    values.write ?? (values.smoke ? mkdtempSync(join(tmpdir(), 'bench-')) : join('docs', 'benchmarks'));
  const chosen = values.only === undefined ? all : chosenFrom(all, values.only.split(','));
  const rows = [];
  for (const [index, { name, words }] of chosen.entries()) {
    console.error(`\n== ${name} (${index + 1} of ${chosen.length})`);
    const code = await run([...words, '--write', join(directory, name)]);
    rows.push({ measurement: name, ...judge(code, reportOf(join(directory, `${name}.json`))) });
  }
  console.log(`\n${describeEnvironment()}; reports in ${directory}\n`);
  console.table(rows);
  if (rows.some(({ failed }) => failed !== '')) process.exitCode = 1;
}

function chosenFrom(all: readonly Measurement[], names: readonly string[]): Measurement[] {
  return names.map((name) => {
    const found = all.find((each) => each.name === name);
    if (!found) throw new Error(`--only takes ${all.map((each) => each.name).join(', ')}.`);
    return found;
  });
}

async function run(words: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [join(__dirname, '..', '..', 'cli.mjs'), ...words], {
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

/** What a report holds of that which is judged here. */
type Report = {
  readonly trials?: readonly ({ readonly engine: string } & TrialFigures)[];
} & Partial<LiveFigures>;

function reportOf(file: string): Report {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return {};
  }
}

function judge(code: number | null, { trials = [], confirmed, identities, stored }: Report) {
  const failures = code === 0 ? [] : [`exit code ${code}`];
  const ratios = trials.map(({ engine, eventsPerSecond, copyRowsPerSecond, baselines }) => {
    const ofCopy = eventsPerSecond / copyRowsPerSecond;
    const ofInserts = baselines ? eventsPerSecond / baselines.singleInsertsPerSecond : Infinity;
    if (ofCopy < LEAST_OF_COPY) failures.push(`${engine}: below ${LEAST_OF_COPY} of COPY`);
    if (ofInserts < LEAST_OF_SINGLE_INSERTS) failures.push(`${engine}: below ${LEAST_OF_SINGLE_INSERTS} times single inserts`); // prettier-ignore
    return `${engine}: ${ofCopy.toFixed(3)} of COPY${baselines ? `, ${ofInserts.toFixed(1)} times single inserts` : ''}`;
  });
  if (confirmed !== identities || confirmed !== stored) failures.push('events were lost or doubled');
  return { ratios: ratios.join('; '), failed: failures.join('; ') };
}

runCommand(main);
