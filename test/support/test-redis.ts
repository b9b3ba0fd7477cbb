import Redis from 'ioredis';
import { testServers } from './test-servers';

export interface TestRedis {
  /** What REDIS_URL should be. */
  readonly url: string;
  /** Removes every key. */
  drop(): Promise<void>;
}

const COUNTER = 'usage-analytics:test-databases';

/**
 * A numbered database of the run's Redis, empty. Numbers come around again after the last one, long after
 * the test file that had it before. Drop it in `afterAll`.
 */
export async function createTestRedis(): Promise<TestRedis> {
  const server = new Redis(testServers().redisUrl);
  try {
    const [, databases] = (await server.config('GET', 'databases')) as [string, string];
    const number = 1 + ((await server.incr(COUNTER)) % (Number(databases) - 1));
    const url = new URL(testServers().redisUrl);
    url.pathname = `/${number}`;
    const drop = (): Promise<void> => empty(url.href);
    await drop();
    return { url: url.href, drop };
  } finally {
    server.disconnect();
  }
}

async function empty(url: string): Promise<void> {
  const database = new Redis(url);
  try {
    await database.flushdb();
  } finally {
    database.disconnect();
  }
}
