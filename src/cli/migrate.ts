// Brings the database to the schema of this release and ends: for a job that runs before MIGRATE_ON_START=false processes.
import { parseArgs } from 'node:util';
import { secretOf } from '../platform/config/config';
import { migrate } from '../platform/database/migrations';
import { oneOf, runCommand } from './command-line';

const USAGE = `Usage: npm run migrate [-- options]

  --help   this text

DATABASE_OWNER_URL, else DATABASE_URL, names the database, or the file in DATABASE_OWNER_URL_FILE or DATABASE_URL_FILE;
STORAGE_ENGINE (auto) is auto, timescale or postgres. Exit code 1 with a sentence when
the database cannot be used. Replicas that migrate at the same time wait for each other.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
  if (values.help) return void process.stdout.write(USAGE);
  const databaseUrl = secretOf('DATABASE_OWNER_URL') ?? secretOf('DATABASE_URL');
  if (!databaseUrl) throw new Error('DATABASE_URL must be a URL beginning with postgres://.');
  const wanted = process.env['STORAGE_ENGINE'] || 'auto';
  const engine = oneOf('STORAGE_ENGINE', wanted, ['auto', 'timescale', 'postgres'] as const);
  const settled = await migrate({
    databaseUrl,
    engine,
    log: (message, fields) => console.error(message, JSON.stringify(fields ?? {})),
  });
  console.log(`The database has the schema of this release on ${settled}.`);
}

runCommand(main);
