// Measures ingestion from a filled stream to commit beside a bare COPY of the same rows.
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import type { StorageEngineKind } from '../platform/database/storage-engine';
import { events, STANDARD_LOAD } from './bench/load-shape';
import { type IngestionFigures, measureIngestion } from './bench/measure-ingestion';
import { oneOf, runCommand, wholeNumber } from './command-line';
import { createDatabase } from './servers/create-database';
import { startServers } from './servers/start-servers';

const USAGE = `Usage: npm run bench:ingest [-- options]

  --events N               events to ingest per engine (400000)
  --events-per-message N   events in one message (1)
  --batch N                events per transaction, also of the bare COPY (5000)
  --ids KIND               uuidv7 (time-ordered) or uuidv4 (random) event ids (uuidv7)
  --engine ENGINE          timescale, postgres or both (both)
  --help                   this text

Broker, database and service share the cores of this machine. Exit code 1 when an event was not stored.
`;

/** As the README recommends for production; durability is on. */
const POSTGRES_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  wal_compression: 'lz4',
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '400000' },
      'events-per-message': { type: 'string', default: '1' },
      batch: { type: 'string', default: '5000' },
      ids: { type: 'string', default: 'uuidv7' },
      engine: { type: 'string', default: 'both' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const count = wholeNumber('--events', values.events);
  const eventsPerMessage = wholeNumber('--events-per-message', values['events-per-message']);
  const batchSize = wholeNumber('--batch', values.batch);
  const ids = oneOf('--ids', values.ids, ['uuidv7', 'uuidv4'] as const);
  const wanted = oneOf('--engine', values.engine, ['timescale', 'postgres', 'both'] as const);

  const figures: IngestionFigures[] = [];
  for (const engine of wanted === 'both' ? (['timescale', 'postgres'] as const) : [wanted]) {
    // Made anew for each engine, so that the events are as young for the second as for the first.
    const bodies = [...events(count, { ...STANDARD_LOAD, ids })].map((event) =>
      Buffer.from(JSON.stringify(event)),
    );
    const measured = await measureOn(engine, wanted === engine, { bodies, eventsPerMessage, batchSize });
    if (measured) figures.push(measured);
  }
  const [cpu] = cpus();
  console.log(
    `\n${cpus().length} x ${cpu?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.version}`,
  );
  console.log(`${count} events, ${eventsPerMessage} a message, batches of ${batchSize}, ${ids} ids`);
  console.log(`load: ${JSON.stringify({ ...STANDARD_LOAD, ids })}`);
  console.log(`PostgreSQL: ${JSON.stringify(POSTGRES_SETTINGS)}\n`);
  console.table(
    figures.map(({ engine, eventsPerSecond, copyRowsPerSecond, peakMemoryMb }) => ({
      engine,
      'events/s': Math.round(eventsPerSecond),
      'bare COPY rows/s': Math.round(copyRowsPerSecond),
      ratio: Number((eventsPerSecond / copyRowsPerSecond).toFixed(3)),
      'peak memory, MB': Math.round(peakMemoryMb),
    })),
  );
}

async function measureOn(
  engine: StorageEngineKind,
  required: boolean,
  load: { bodies: Buffer[]; eventsPerMessage: number; batchSize: number },
): Promise<IngestionFigures | undefined> {
  const timescale = engine === 'postgres' ? false : required ? 'required' : 'if-present';
  const log = (line: string): void => console.error(line);
  const servers = await startServers({
    postgres: true,
    timescale,
    postgresSettings: POSTGRES_SETTINGS,
    rabbitmq: true,
    log,
  });
  try {
    if (engine === 'timescale' && !servers.timescaleAvailable) {
      log('TimescaleDB was not found, so its half is not measured.');
      return undefined;
    }
    log(`Measuring on ${engine}: ${servers.describe()}`);
    const server = engine === 'timescale' ? servers.timescaleUrl : servers.databaseUrl;
    return await measureIngestion({
      ...load,
      engine,
      databaseUrl: await createDatabase(server, 'bench'),
      copyDatabaseUrl: await createDatabase(server, 'bench_copy'),
      amqpUrl: servers.amqpUrl,
    });
  } finally {
    await servers.stop();
  }
}

runCommand(main);
