import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Counter } from 'prom-client';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { SharedRedis } from '../../platform/cache/shared-redis';
import { Config } from '../../platform/config/config';
import { AppError } from '../../shared/errors';
import type { Principal } from '../principal';

const WINDOW_SECONDS = 60;

const limited = new Counter({
  name: 'http_requests_limited_total',
  help: 'Requests that were refused because their principal had sent too many.',
});

/**
 * At most RATE_LIMIT_PER_MINUTE requests of a principal in a minute that begins with its first one: counted in Redis
 * by all replicas together. Without REDIS_URL, and while Redis is away, each replica counts what reaches it.
 */
@Injectable()
export class RequestLimit {
  private readonly limiter: RateLimiterMemory | RateLimiterRedis | undefined;
  private readonly points: number;

  constructor({ rateLimitPerMinute }: Config, { client }: SharedRedis) {
    this.points = rateLimitPerMinute;
    if (rateLimitPerMinute === 0) return;
    const options = {
      points: rateLimitPerMinute,
      duration: WINDOW_SECONDS,
      keyPrefix: 'usage-analytics:limit',
    };
    const here = new RateLimiterMemory(options);
    this.limiter = client
      ? new RateLimiterRedis({ ...options, storeClient: client, insuranceLimiter: here })
      : here;
  }

  /**
   * Counts a request and says in the headers RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) what
   * is left. Throws `limited` when it is one too many.
   */
  async take({ kind, id, orgId }: Principal, reply: FastifyReply): Promise<void> {
    if (!this.limiter) return;
    // Two issuers' worth of subjects, keys and organisations cannot share a count by a clever choice of names.
    const key = JSON.stringify([kind, orgId, id]);
    const taken = await this.limiter.consume(key).catch((error: unknown) => {
      if (error instanceof RateLimiterRes) return error;
      throw error;
    });
    const seconds = Math.max(1, Math.ceil(taken.msBeforeNext / 1_000));
    const left = Math.max(0, this.points - taken.consumedPoints);
    void reply.header('ratelimit-policy', `"principal";q=${this.points};w=${WINDOW_SECONDS}`);
    void reply.header('ratelimit', `"principal";r=${left};t=${seconds}`);
    if (taken.consumedPoints <= this.points) return;
    limited.inc();
    throw new AppError(
      'limited',
      `A principal may send ${this.points} requests a minute (RATE_LIMIT_PER_MINUTE); try again in ${seconds} s.`,
      { retryAfterSeconds: seconds },
    );
  }
}
