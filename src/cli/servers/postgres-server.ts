import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { serverAccount } from '../../platform/database/embedded/postgres-programs';
import { freePort } from './free-port';
import type { Guardian } from './guardian';
import { MINIMUM_POSTGRES, MINIMUM_TIMESCALE, type PostgresInstallation } from './postgres-installations';
import { GivenServer, PrivateServer } from './running-server';
import { ServerContainer } from './server-container';
import { ServerProcess } from './server-process';
import { isAtLeast } from './versions';

const run = promisify(execFile);
const NAME = 'PostgreSQL';
const IMAGE = 'timescale/timescaledb:2.19.3-pg17';

/** Settings by their names in postgresql.conf. */
export type PostgresSettings = Record<string, string | number>;

/**
 * For data that is thrown away: nothing waits for the disk. Without TimescaleDB's background workers no
 * session of theirs stands on a database that is being copied or dropped.
 */
const SETTINGS: PostgresSettings = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: 200,
  // Lets a test stop a batch between its last look at the database and its commit.
  max_prepared_transactions: 8,
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  log_min_messages: 'warning',
};
const TIMESCALE_SETTINGS: PostgresSettings = {
  shared_preload_libraries: 'timescaledb',
  'timescaledb.telemetry_level': 'off',
  'timescaledb.max_background_workers': 0,
};

export interface PrivatePostgresOptions {
  directory: string;
  guardian: Guardian;
  /** Added to the settings above, or instead of them. */
  settings: PostgresSettings;
}

/** A new, empty server of this machine's programs; its data goes with the directory. */
export async function startPostgres(
  installation: PostgresInstallation,
  { directory, guardian, settings }: PrivatePostgresOptions,
): Promise<PrivateServer> {
  const account = serverAccount();
  const home = join(directory, 'postgres');
  mkdirSync(home, { recursive: true });
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account) for (const path of [home, passwordFile]) chownSync(path, account.uid, account.gid);

  const data = join(home, 'data');
  await run(
    join(installation.binaries, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { cwd: home, env: { LC_ALL: 'C' }, ...account },
  );

  const port = await freePort();
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const program = new ServerProcess({
    name: 'postgresql',
    command: join(installation.binaries, 'postgres'),
    args: [
      `-D${data}`,
      ...flags({
        port,
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
        ...SETTINGS,
        ...(installation.timescaleVersion !== undefined && TIMESCALE_SETTINGS),
        ...settings,
      }),
    ],
    environment: { LC_ALL: 'C' },
    account,
    directory: home,
    endSignal: 'SIGINT',
    disposeSignal: 'SIGQUIT',
  });
  const probe = (): Promise<string> => postgresVersion(url);
  return new PrivateServer({
    name: NAME,
    origin: installation.origin,
    url,
    program,
    probe,
    readyWithinMs: 60_000,
    guardian,
  }).start();
}

/** A new, empty server with TimescaleDB in a container. */
export async function startPostgresContainer(
  { guardian, settings }: PrivatePostgresOptions,
  log: (line: string) => void,
): Promise<PrivateServer> {
  const port = await freePort();
  const password = randomBytes(16).toString('hex');
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const program = new ServerContainer({
    name: 'postgresql',
    image: IMAGE,
    ports: [[port, 5432]],
    environment: { POSTGRES_PASSWORD: password, TIMESCALEDB_TELEMETRY: 'off', NO_TS_TUNE: 'true' },
    command: ['postgres', ...flags({ ...SETTINGS, ...TIMESCALE_SETTINGS, ...settings })],
    log,
  });
  const probe = (): Promise<string> => postgresVersion(url);
  return new PrivateServer({
    name: NAME,
    origin: 'docker',
    url,
    program,
    probe,
    readyWithinMs: 120_000,
    guardian,
  }).start();
}

/** The server that an environment variable names. */
export async function givenPostgres(variable: string, url: string): Promise<GivenServer> {
  const server = await GivenServer.connect(NAME, variable, url, () => postgresVersion(url));
  if (isAtLeast(server.version, MINIMUM_POSTGRES)) return server;
  throw new Error(`${variable} names PostgreSQL ${server.version}; ${MINIMUM_POSTGRES} or newer is needed.`);
}

/** The version of TimescaleDB that a database of this server can create, if it is new enough. */
export async function timescaleOffered(url: string): Promise<string | undefined> {
  const version = await ask(
    url,
    `select default_version from pg_available_extensions
     where name = 'timescaledb' and current_setting('shared_preload_libraries') like '%timescaledb%'`,
  );
  return version !== undefined && isAtLeast(version, MINIMUM_TIMESCALE) ? version : undefined;
}

async function postgresVersion(url: string): Promise<string> {
  return (await ask(url, `select split_part(current_setting('server_version'), ' ', 1)`)) ?? '0';
}

async function ask(url: string, statement: string): Promise<string | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<[string]>({ text: statement, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end().catch(() => undefined);
  }
}

function flags(settings: PostgresSettings): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}
