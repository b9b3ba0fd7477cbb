import type { Servers } from '../../src/cli/servers/servers';

/** What test files need to know of the servers of this run. */
export interface TestServers {
  databaseUrl: string;
  /** Absent when no server of this run offers TimescaleDB. */
  timescaleUrl: string | undefined;
  amqpUrl: string;
  managementUrl: string;
  /** Of the stream protocol, on the broker's host. */
  streamPort: number;
  /** In which `rabbitmqctl` works on the broker; absent where that is not one of this machine's programs. */
  rabbitmqctlEnvironment: Readonly<Record<string, string>> | undefined;
  redisUrl: string;
  /** In the name of everything the run makes, so that two runs can use the same servers. */
  run: string;
}

const VARIABLE = 'TEST_SERVERS';

/** The servers this process started; only in the process that runs Jest, never in its workers. */
export const running: { servers?: Servers | undefined; dropTemplates?: (() => Promise<void>) | undefined } =
  {};

/** Hands the addresses to the workers and to the reporter, which inherit or share this environment. */
export function publish(servers: Servers): void {
  const addresses: TestServers = {
    databaseUrl: servers.databaseUrl,
    timescaleUrl: servers.timescaleAvailable ? servers.timescaleUrl : undefined,
    amqpUrl: servers.amqpUrl,
    managementUrl: servers.rabbitmq.managementUrl,
    streamPort: servers.rabbitmq.streamPort,
    rabbitmqctlEnvironment: servers.rabbitmq.operatorEnvironment,
    redisUrl: servers.redisUrl,
    run: `${process.pid}_${Date.now().toString(36)}`,
  };
  process.env[VARIABLE] = JSON.stringify(addresses);
  process.env['TEST_SERVERS_DESCRIPTION'] = servers.describe();
  if (!servers.timescaleAvailable) {
    process.env['TEST_TIMESCALE_ABSENCE'] =
      `no server offers it: ${servers.postgres.name} ${servers.postgres.version} has no TimescaleDB 2.13.1 or newer`;
  }
}

/** Throws in a unit test: those do without servers. */
export function testServers(): TestServers {
  const published = process.env[VARIABLE];
  if (published === undefined) {
    throw new Error('Only integration, e2e and fault tests have servers: name the file *.int-spec.ts.');
  }
  return JSON.parse(published) as TestServers;
}
