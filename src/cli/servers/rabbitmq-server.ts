import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { freePort } from './free-port';
import type { Guardian } from './guardian';
import { GivenServer, type Origin, PrivateServer, type PrivateServerOptions } from './running-server';
import { ServerContainer } from './server-container';
import { ServerProcess } from './server-process';
import { isAtLeast } from './versions';

const run = promisify(execFile);
const NAME = 'RabbitMQ';
const IMAGE = 'rabbitmq:4.0-management';
export const MINIMUM_RABBITMQ = '3.10';
/** Unless a broker is told otherwise. */
const STREAM_PORT = 5552;

/** The management plugin makes virtual hosts within milliseconds; it gathers no statistics here. */
const PLUGINS = ['rabbitmq_consistent_hash_exchange', 'rabbitmq_management', 'rabbitmq_stream'];

export type Rabbitmqctl = (...args: string[]) => Promise<string>;

/** A broker with its HTTP API and, where it was started here, its command line. */
export interface RabbitmqServer {
  readonly name: string;
  readonly origin: Origin;
  readonly version: string;
  readonly url: string;
  readonly pid: number | undefined;
  /** Port of the stream protocol, on the same host. */
  readonly streamPort: number;
  /** Base URL of the HTTP API, credentials included. */
  readonly managementUrl: string;
  /** Runs one command of rabbitmqctl on this broker and answers what it printed. */
  rabbitmqctl: Rabbitmqctl;
  /** An environment in which `rabbitmqctl` works on this broker, where its programs are on this machine. */
  readonly operatorEnvironment: Readonly<Record<string, string>> | undefined;
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

class PrivateRabbitmq extends PrivateServer implements RabbitmqServer {
  constructor(
    options: PrivateServerOptions,
    readonly streamPort: number,
    readonly managementUrl: string,
    readonly rabbitmqctl: Rabbitmqctl,
    readonly operatorEnvironment: Readonly<Record<string, string>> | undefined,
  ) {
    super(options);
  }
}

/** The directory with RabbitMQ's own programs, if this machine has one that is new enough to be tried. */
export function rabbitmqOnMachine(): string | undefined {
  const unpacked = '/usr/lib/rabbitmq/lib';
  const releases = existsSync(unpacked)
    ? readdirSync(unpacked).map((name) => join(unpacked, name, 'sbin'))
    : [];
  const onPath = (process.env['PATH'] ?? '').split(delimiter);
  return [...releases, '/opt/homebrew/sbin', '/usr/local/sbin', ...onPath].find(isOwnProgram);
}

/** Debian's /usr/sbin/rabbitmq-server is a wrapper that works on the system's one broker only. */
function isOwnProgram(directory: string): boolean {
  const server = join(directory, 'rabbitmq-server');
  if (!existsSync(server) || !existsSync(join(directory, 'rabbitmqctl'))) return false;
  const release = /rabbitmq_server-([\d.]+)/.exec(directory)?.[1];
  if (release !== undefined && !isAtLeast(release, MINIMUM_RABBITMQ)) return false;
  return !readFileSync(server, 'utf8').includes('su rabbitmq');
}

/** A new, empty broker with a node name, cookie, port mapper and directories of its own. */
export async function startRabbitmq(
  programs: string,
  { directory, guardian }: { directory: string; guardian: Guardian },
): Promise<RabbitmqServer> {
  const home = join(directory, 'rabbitmq');
  mkdirSync(home, { recursive: true });
  const [port, streamPort, managementPort, distributionPort, mapperPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const credentials = `tester:${randomBytes(16).toString('hex')}`;
  writeFileSync(
    join(home, 'rabbitmq.conf'),
    configuration({ port, streamPort, managementPort, credentials }),
  );
  writeFileSync(join(home, 'enabled_plugins'), `[${PLUGINS.join(',')}].\n`);
  const environment = {
    HOME: home,
    RABBITMQ_NODENAME: `tester${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(home, 'mnesia'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_CONF_ENV_FILE: join(home, 'rabbitmq-env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // The start script then becomes the broker, so that the process we know is the broker itself.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
  const common = { directory: home, disposeSignal: 'SIGKILL' } as const;
  const portMapper = new ServerProcess({
    ...common,
    name: 'epmd',
    command: 'epmd',
    args: ['-port', String(mapperPort), '-address', '127.0.0.1'],
    endSignal: 'SIGTERM',
  });
  const broker = new ServerProcess({
    ...common,
    name: 'rabbitmq',
    command: join(programs, 'rabbitmq-server'),
    args: [],
    environment,
    endSignal: 'SIGTERM',
  });
  const rabbitmqctl: Rabbitmqctl = async (...args) => {
    const { stdout } = await run(join(programs, 'rabbitmqctl'), args, {
      cwd: home,
      env: { ...process.env, ...environment },
    });
    return stdout;
  };
  return new PrivateRabbitmq(
    {
      name: NAME,
      origin: 'machine',
      ...addresses(port, managementPort, credentials),
      program: broker,
      companion: portMapper,
      readyWithinMs: 90_000,
      guardian,
    },
    streamPort,
    managementAddress(managementPort, credentials),
    rabbitmqctl,
    { ...environment, PATH: [programs, process.env['PATH']].join(delimiter) },
  ).start();
}

/** A new, empty broker in a container. */
export async function startRabbitmqContainer(
  { guardian }: { guardian: Guardian },
  log: (line: string) => void,
): Promise<RabbitmqServer> {
  const [port, streamPort, managementPort] = [await freePort(), await freePort(), await freePort()];
  const [user, password] = ['tester', randomBytes(16).toString('hex')];
  const program = new ServerContainer({
    name: 'rabbitmq',
    image: IMAGE,
    ports: [
      [port, 5672],
      [streamPort, STREAM_PORT],
      [managementPort, 15672],
    ],
    environment: { RABBITMQ_DEFAULT_USER: user, RABBITMQ_DEFAULT_PASS: password },
    command: [
      'sh',
      '-c',
      `rabbitmq-plugins enable --offline ${PLUGINS.join(' ')} && exec docker-entrypoint.sh rabbitmq-server`,
    ],
    log,
  });
  const credentials = `${user}:${password}`;
  return new PrivateRabbitmq(
    {
      name: NAME,
      origin: 'docker',
      ...addresses(port, managementPort, credentials),
      program,
      readyWithinMs: 120_000,
      guardian,
    },
    streamPort,
    managementAddress(managementPort, credentials),
    (...args) => program.execute(['rabbitmqctl', ...args]),
    undefined,
  ).start();
}

/**
 * The broker that an environment variable names. Its management plugin is needed to make virtual hosts: on
 * `managementUrl`, or by default on port 15672 of the same host with the same credentials. Its plugin for streams is
 * needed on port 5552 by whoever reads by that protocol.
 */
export async function givenRabbitmq(
  variable: string,
  url: string,
  managementUrl: string | undefined,
): Promise<RabbitmqServer> {
  const { hostname, username, password } = new URL(url);
  const management = managementUrl ?? `http://${username}:${password}@${hostname}:15672`;
  const server = await GivenServer.connect(NAME, variable, url, probe(url, management));
  if (!isAtLeast(server.version, MINIMUM_RABBITMQ)) {
    throw new Error(`${variable} names RabbitMQ ${server.version}; ${MINIMUM_RABBITMQ} or newer is needed.`);
  }
  return Object.assign(server, {
    streamPort: STREAM_PORT,
    managementUrl: management,
    operatorEnvironment: undefined,
    rabbitmqctl: () =>
      Promise.reject(new Error('rabbitmqctl is at hand only for a broker that was started here.')),
  });
}

function configuration({
  port,
  streamPort,
  managementPort,
  credentials,
}: {
  port: number;
  streamPort: number;
  managementPort: number;
  credentials: string;
}): string {
  const [user, password] = credentials.split(':');
  return [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    `stream.listeners.tcp.1 = 127.0.0.1:${streamPort}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    'management_agent.disable_metrics_collector = true',
    `default_user = ${user}`,
    `default_pass = ${password}`,
    'vm_memory_high_watermark.absolute = 2GB',
    'log.file.level = warning',
    '',
  ].join('\n');
}

function addresses(port: number, managementPort: number, credentials: string) {
  const url = `amqp://${credentials}@127.0.0.1:${port}`;
  return { url, probe: probe(url, managementAddress(managementPort, credentials)) };
}

function managementAddress(port: number, credentials: string): string {
  return `http://${credentials}@127.0.0.1:${port}`;
}

/** Ready means that a client can log in and that the HTTP API answers. */
function probe(url: string, managementUrl: string): () => Promise<string> {
  return async () => {
    const connection = await connect(url, { timeout: 5_000 });
    connection.on('error', () => undefined);
    const { version } = connection.connection.serverProperties;
    await connection.close();
    const { origin, username, password } = new URL(managementUrl);
    const answer = await fetch(`${origin}/api/overview`, {
      headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
    });
    if (!answer.ok) throw new Error(`its management plugin answers ${answer.status}`);
    return version;
  };
}
