import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { createTestRedis, type TestRedis } from '../../../test/support/test-redis';
import { TcpProxy } from '../../../test/support/tcp-proxy';
import { SharedRedis } from '../../platform/cache/shared-redis';
import { loadConfig } from '../../platform/config/config';
import type { Principal } from '../principal';
import { RequestLimit } from './request-limit';

const ORG = '11111111-1111-4111-8111-111111111111';
const principal = (
  id: string,
  orgId: string | null = ORG,
  kind: Principal['kind'] = 'api-key',
): Principal => ({
  id,
  kind,
  orgId,
  roles: ['org-viewer'],
});

describe('the limit of requests', () => {
  const open: SharedRedis[] = [];
  let redis: TestRedis;
  let proxy: TcpProxy;

  jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);

  beforeAll(async () => {
    redis = await createTestRedis();
    proxy = await TcpProxy.before(redis.url);
  });
  afterEach(() => open.splice(0).forEach((shared) => shared.onApplicationShutdown()));
  afterAll(async () => {
    await proxy.close();
    await redis.drop();
  });

  async function replica(limit: number, redisUrl?: string): Promise<RequestLimit> {
    const config = loadConfig({
      NODE_ENV: 'test',
      REDIS_URL: redisUrl,
      RATE_LIMIT_PER_MINUTE: String(limit),
    });
    const shared = new SharedRedis(config);
    open.push(shared);
    for (let waited = 0; shared.client && shared.client.status !== 'ready' && waited < 200; waited += 1)
      await sleep(10);
    return new RequestLimit(config, shared);
  }

  async function take(limit: RequestLimit, who: Principal) {
    const headers: Record<string, string> = {};
    const reply = {
      header: (name: string, value: string) => (headers[name] = value),
    } as unknown as FastifyReply;
    try {
      await limit.take(who, reply);
      return { allowed: true, headers };
    } catch (error) {
      return { allowed: false, headers, error: error as Error & { kind: string; retryAfterSeconds: number } };
    }
  }

  async function allowedOf(
    limits: readonly RequestLimit[],
    who: Principal,
    requests: number,
  ): Promise<number> {
    let allowed = 0;
    for (let index = 0; index < requests; index += 1)
      if ((await take(limits[index % limits.length] as RequestLimit, who)).allowed) allowed += 1;
    return allowed;
  }

  it.each(['in this process', 'in Redis'])('counted %s says what is left, and refuses with a time to come back', async (place) => {
    const limit = await replica(3, place === 'in Redis' ? redis.url : undefined);
    const who = principal(`counted ${place}`);
    const first = await take(limit, who);
    expect(first).toEqual({
      allowed: true,
      headers: { 'ratelimit-policy': '"principal";q=3;w=60', ratelimit: '"principal";r=2;t=60' },
    });
    await take(limit, who);
    expect((await take(limit, who)).headers['ratelimit']).toMatch(/^"principal";r=0;t=(60|5\d)$/);
    const refused = await take(limit, who);
    expect(refused).toMatchObject({ allowed: false, error: { kind: 'limited', message: expect.stringContaining('RATE_LIMIT_PER_MINUTE') } });
    expect(refused.error?.retryAfterSeconds).toBeGreaterThanOrEqual(50);
    expect(refused.headers['ratelimit']).toMatch(/r=0/);
  }); // prettier-ignore

  it('is of each principal alone, whatever it is called', async () => {
    const limit = await replica(1);
    const all = [
      principal('a'),
      principal('b'),
      principal('a', null),
      principal('a', '22222222-2222-4222-8222-222222222222'),
      principal('a', ORG, 'jwt'),
      principal(`a"],["api-key"`),
    ];
    for (const who of all) expect((await take(limit, who)).allowed).toBe(true);
    for (const who of all) expect((await take(limit, who)).allowed).toBe(false);
  });

  it('is shared by replicas through Redis, and their own without it', async () => {
    const together = [await replica(10, redis.url), await replica(10, redis.url)];
    expect(await allowedOf(together, principal('shared'), 40)).toBe(10);
    const apart = [await replica(10), await replica(10)];
    expect(await allowedOf(apart, principal('shared'), 40)).toBe(20);
  });

  it('holds for each replica by itself while Redis is away, without an error, and is shared again after', async () => {
    const limits = [await replica(10, proxy.through(redis.url)), await replica(10, proxy.through(redis.url))];
    expect(await allowedOf(limits, principal('before'), 40)).toBe(10);
    await proxy.cut();
    expect(await allowedOf(limits, principal('meanwhile'), 40)).toBe(20);
    await proxy.heal();
    for (const shared of open) for (let waited = 0; shared.client?.status !== 'ready' && waited < 1_000; waited += 1) await sleep(10); // prettier-ignore
    expect(await allowedOf(limits, principal('after'), 40)).toBe(10);
  });

  it('is none with 0', async () => {
    const limit = await replica(0);
    expect(await allowedOf([limit], principal('free'), 500)).toBe(500);
    expect((await take(limit, principal('free'))).headers).toEqual({});
  });
});
