import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import Redis from 'ioredis';
import { freePort } from './free-port';
import type { Guardian } from './guardian';
import { GivenServer, PrivateServer } from './running-server';
import { ServerContainer } from './server-container';
import { ServerProcess } from './server-process';
import { isAtLeast } from './versions';

const NAME = 'Redis';
export const MINIMUM_REDIS = '6';
const IMAGE = 'redis:7-alpine';

/** Nothing is written to disk: a restart begins empty. Enough databases for one per test file. */
const SETTINGS = ['--save', '', '--appendonly', 'no', '--databases', '512'];

export function redisOnMachine(): string | undefined {
  const directories = [
    '/usr/bin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return directories
    .map((directory) => join(directory, 'redis-server'))
    .find((program) => existsSync(program));
}

/** A new, empty server of this machine's program. */
export async function startRedis(
  command: string,
  { directory, guardian }: { directory: string; guardian: Guardian },
): Promise<PrivateServer> {
  const port = await freePort();
  const home = join(directory, 'redis');
  const program = new ServerProcess({
    name: 'redis',
    command,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', home, ...SETTINGS],
    directory: home,
    endSignal: 'SIGTERM',
    disposeSignal: 'SIGKILL',
  });
  return privateRedis(port, 'machine', program, guardian);
}

/** A new, empty server in a container. */
export async function startRedisContainer(
  { guardian }: { guardian: Guardian },
  log: (line: string) => void,
): Promise<PrivateServer> {
  const port = await freePort();
  const program = new ServerContainer({
    name: 'redis',
    image: IMAGE,
    ports: [[port, 6379]],
    command: ['redis-server', ...SETTINGS],
    log,
  });
  return privateRedis(port, 'docker', program, guardian);
}

/** The server that an environment variable names. */
export async function givenRedis(variable: string, url: string): Promise<GivenServer> {
  const server = await GivenServer.connect(NAME, variable, url, () => redisVersion(url));
  if (isAtLeast(server.version, MINIMUM_REDIS)) return server;
  throw new Error(`${variable} names Redis ${server.version}; ${MINIMUM_REDIS} or newer is needed.`);
}

function privateRedis(
  port: number,
  origin: 'machine' | 'docker',
  program: ServerProcess | ServerContainer,
  guardian: Guardian,
): Promise<PrivateServer> {
  const url = `redis://127.0.0.1:${port}`;
  const probe = (): Promise<string> => redisVersion(url);
  return new PrivateServer({
    name: NAME,
    origin,
    url,
    program,
    probe,
    readyWithinMs: 60_000,
    guardian,
  }).start();
}

async function redisVersion(url: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 5_000,
    disconnectTimeout: 100,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return /redis_version:(\S+)/.exec(await client.info('server'))?.[1] ?? 'unknown';
  } finally {
    client.disconnect();
  }
}
