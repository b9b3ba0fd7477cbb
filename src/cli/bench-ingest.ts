// Measures ingestion from a filled stream to commit beside a bare COPY of the same rows.
import { parseArgs } from 'node:util';
import { describeEnvironment, INGESTION_SETTINGS } from './bench/environment';
import { ingestionTrial, type TrialFigures } from './bench/ingestion-trial';
import { STANDARD_LOAD } from './bench/load-shape';
import { PROTOCOLS } from './bench/protocol';
import { writeReport } from './bench/report';
import { baselineRow, ingestionRow } from './bench/tables';
import { oneOf, runCommand, wholeNumber } from './command-line';

const USAGE = `Usage: npm run bench:ingest [-- options]

  --events N               events to ingest per engine (400000)
  --events-per-message N   events in one message (1)
  --batch N                events per transaction, also of the bare COPY (5000)
  --partitions N           streams that share the load (1)
  --protocol NAME          what the stream is read by: stream or amqp (stream)
  --ids KIND               uuidv7 (time-ordered) or uuidv4 (random) event ids (uuidv7)
  --engine ENGINE          timescale, postgres or both (both)
  --baselines              also COPY without indexes, one insert per event, and bytes per event on disk
  --write NAME             writes NAME.json, for example docs/benchmarks/ingestion (nothing)
  --help                   this text

Broker, database and service share the cores of this machine. Exit code 1 when an event was not stored.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '400000' },
      'events-per-message': { type: 'string', default: '1' },
      batch: { type: 'string', default: '5000' },
      partitions: { type: 'string', default: '1' },
      protocol: { type: 'string', default: 'stream' },
      ids: { type: 'string', default: 'uuidv7' },
      engine: { type: 'string', default: 'both' },
      baselines: { type: 'boolean', default: false },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const count = wholeNumber('--events', values.events);
  const eventsPerMessage = wholeNumber('--events-per-message', values['events-per-message']);
  const batchSize = wholeNumber('--batch', values.batch);
  const partitions = wholeNumber('--partitions', values.partitions);
  const protocol = oneOf('--protocol', values.protocol, PROTOCOLS);
  const ids = oneOf('--ids', values.ids, ['uuidv7', 'uuidv4'] as const);
  const wanted = oneOf('--engine', values.engine, ['timescale', 'postgres', 'both'] as const);

  const log = (line: string): void => console.error(line);
  const trials: ({ readonly engine: string } & TrialFigures)[] = [];
  for (const engine of wanted === 'both' ? (['timescale', 'postgres'] as const) : [wanted]) {
    const required = wanted === engine;
    const withBaselines = values.baselines;
    const how = {
      engine,
      required,
      withBaselines,
      count,
      ids,
      eventsPerMessage,
      batchSize,
      partitions,
      protocol,
      log,
    };
    const trial = await ingestionTrial(how);
    if (trial) trials.push({ engine, ...trial });
  }
  const settings = {
    events: count,
    eventsPerMessage,
    batchSize,
    partitions,
    protocol,
    load: { ...STANDARD_LOAD, ids },
    postgres: INGESTION_SETTINGS,
  };
  console.log(`\n${describeEnvironment()}\n${JSON.stringify(settings)}\n`);
  console.table(trials.map((trial) => ({ engine: trial.engine, ...ingestionRow(trial) })));
  const rows = trials.flatMap(({ engine, baselines }) =>
    baselines ? [{ engine, ...baselineRow(baselines) }] : [],
  );
  if (rows.length > 0) console.table(rows);
  if (values.write !== undefined) writeReport(values.write, { ...settings, trials });
}

runCommand(main);
