import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { register } from 'prom-client';
import type { Servers } from '../../cli/servers/servers';
import { startServers } from '../../cli/servers/start-servers';
import { TcpProxy } from '../../../test/support/tcp-proxy';
import { loadConfig } from '../config/config';
import { AnswerCache } from './answer-cache';
import { SharedRedis } from './shared-redis';

const MINUTE_MS = 60_000;

/** Longer than the cache waits for Redis once (250 ms), shorter than if it waited twice. */
const PATIENCE_MS = 450;

const open: SharedRedis[] = [];

/** Timers of one process fire in their order however slow it is, so this compares two waits and measures none. */
function inTime<T>(answer: Promise<T>): Promise<T | 'too late'> {
  return Promise.race([answer, sleep(PATIENCE_MS, 'too late' as const)]);
}

function cacheAt(redisUrl: string | undefined): AnswerCache {
  const redis = new SharedRedis(loadConfig({ NODE_ENV: 'test', REDIS_URL: redisUrl }));
  open.push(redis);
  return new AnswerCache(redis);
}

/** Answers its own number of calls. */
function counting(): { compute: () => Promise<number>; calls: number } {
  const counter = { calls: 0, compute: async () => (counter.calls += 1) };
  return counter;
}

async function connected(cache: AnswerCache): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const probe = counting();
    await cache.wrap('probe', 1_000, probe.compute);
    await cache.wrap('probe', 1_000, probe.compute);
    if (probe.calls < 2) return;
    await sleep(50);
  }
  throw new Error('The cache does not reach its Redis.');
}

describe('the cache of answers', () => {
  let servers: Servers;
  let proxy: TcpProxy;
  const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);

  beforeAll(async () => {
    servers = await startServers({ redis: true, private: true, log: () => undefined });
    proxy = await TcpProxy.before(servers.redisUrl);
  });
  afterEach(() => {
    open.splice(0).forEach((redis) => redis.onApplicationShutdown());
    warned.mockClear();
  });
  afterAll(async () => {
    await proxy.close();
    await servers.stop();
  });

  describe.each(['in Redis', 'in this process'])('%s', (place) => {
    let cache: AnswerCache;

    beforeEach(async () => {
      cache = cacheAt(place === 'in Redis' ? servers.redisUrl : undefined);
      if (place === 'in Redis') await connected(cache);
    });

    it('computes an answer once within its time, and again after it', async () => {
      const [kept, forgotten] = [counting(), counting()];
      const ask = async () => [
        await cache.wrap(`kept ${place}`, MINUTE_MS, kept.compute),
        await cache.wrap(`forgotten ${place}`, 300, forgotten.compute),
      ];
      expect(await ask()).toEqual([1, 1]);
      await sleep(400);
      expect(await ask()).toEqual([1, 2]);
    });

    it('gives back what was kept, to the letter', async () => {
      const value = {
        none: null,
        list: [1.5, 'a'],
        models: [
          '_date_2026-01-01',
          '_function_f|() => 1',
          '_undefined_',
          '_symbol_x',
          '_duplicate_["a"]',
          'é\u0000"',
        ],
      };
      await cache.wrap(`letters ${place}`, MINUTE_MS, async () => value);
      const kept = await cache.wrap<typeof value>(`letters ${place}`, MINUTE_MS, () =>
        Promise.reject(new Error('computed')),
      );
      expect(kept).toEqual(value);
      kept.models.pop();
      expect(await cache.wrap(`letters ${place}`, MINUTE_MS, async () => value)).toEqual(value);
    });

    it('keeps falsy answers, too', async () => {
      for (const value of [0, '', false, null]) {
        await cache.wrap(`falsy ${place} ${value}`, MINUTE_MS, async () => value);
        expect(await cache.wrap<unknown>(`falsy ${place} ${value}`, MINUTE_MS, async () => 'computed')).toBe(
          value,
        );
      }
    });

    it('keeps nothing for no time', async () => {
      const { compute } = counting();
      await cache.wrap(`no time ${place}`, 0, compute);
      expect(await cache.wrap(`no time ${place}`, 0, compute)).toBe(2);
    });

    it('throws what the computation throws, and keeps nothing of it', async () => {
      const failure = new Error('no answer');
      await expect(cache.wrap(`failure ${place}`, MINUTE_MS, () => Promise.reject(failure))).rejects.toBe(
        failure,
      );
      expect(await cache.wrap(`failure ${place}`, MINUTE_MS, async () => 'answer')).toBe('answer');
    });
  });

  it('shares answers between replicas through Redis', async () => {
    const [one, other] = [cacheAt(servers.redisUrl), cacheAt(servers.redisUrl)];
    await Promise.all([connected(one), connected(other)]);
    await one.wrap('shared', MINUTE_MS, async () => 'by one');
    expect(await other.wrap('shared', MINUTE_MS, async () => 'by the other')).toBe('by one');
  });

  it('never holds more than its share of memory', async () => {
    const cache = cacheAt(undefined);
    const answer = 'x'.repeat(1_000_000);
    for (let org = 0; org < 20; org += 1) await cache.wrap(`large/${org}`, MINUTE_MS, async () => answer);
    const recomputed = counting();
    for (let org = 0; org < 20; org += 1) {
      await cache.wrap<unknown>(`large/${org}`, MINUTE_MS, async () => (await recomputed.compute(), answer));
    }
    expect(recomputed.calls).toBeGreaterThan(0);
    await cache.wrap('small', MINUTE_MS, async () => 'kept');
    expect(await cache.wrap('small', MINUTE_MS, async () => 'computed')).toBe('kept');
  });

  it('computes while Redis is killed, says so once, and uses it again when it is back', async () => {
    const cache = cacheAt(servers.redisUrl);
    await connected(cache);
    await cache.wrap('killed', MINUTE_MS, async () => 'before');
    warned.mockClear();
    await servers.redis.kill('SIGKILL');
    for (const answer of [1, 2, 3]) {
      expect(await inTime(cache.wrap<unknown>('killed', MINUTE_MS, async () => answer))).toBe(answer);
    }
    expect(warned).toHaveBeenCalledTimes(1);
    await servers.redis.restart();
    await connected(cache);
    expect(await register.getSingleMetric('answer_cache_requests_total')?.get()).toMatchObject({
      values: expect.arrayContaining([expect.objectContaining({ labels: { outcome: 'away' } })]),
    });
  });

  it('waits a quarter of a second at most for a Redis that has gone silent', async () => {
    const cache = cacheAt(proxy.through(servers.redisUrl));
    await connected(cache);
    await cache.wrap('silent', MINUTE_MS, async () => 'before');
    proxy.blackHole();
    expect(await inTime(cache.wrap('silent', MINUTE_MS, async () => 'computed'))).toBe('computed');
    await proxy.heal();
  });

  it('computes where no Redis ever was', async () => {
    const cache = cacheAt('redis://127.0.0.1:1');
    expect(await cache.wrap('nowhere', MINUTE_MS, async () => 'computed')).toBe('computed');
  });
});
