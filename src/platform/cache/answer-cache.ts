import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type Cache, caching, type MemoryCache } from 'cache-manager';
import { redisInsStore } from 'cache-manager-ioredis-yet';
import Redis from 'ioredis';
import { Config } from '../config/config';

const MEMORY_ENTRIES = 10_000;
const REDIS_TIMEOUT_MS = 250;
const KEY_PREFIX = 'usage-analytics:';

/**
 * Keeps answers for seconds: in Redis, or in this process without REDIS_URL. A cache that is away makes answers slower,
 * never wrong and never an error. Keys must contain the organisation.
 */
@Injectable()
export class AnswerCache implements OnApplicationShutdown {
  private readonly logger = new Logger(AnswerCache.name);
  private readonly redis: Redis | undefined;
  private readonly cache: Promise<Cache | MemoryCache>;
  private away = false;

  constructor({ redisUrl }: Config) {
    if (redisUrl === null) {
      this.cache = caching('memory', { max: MEMORY_ENTRIES, ttl: 0 });
      return;
    }
    this.redis = new Redis(redisUrl, {
      commandTimeout: REDIS_TIMEOUT_MS,
      // A command that finds no connection fails at once, and the answer is computed.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => Math.min(attempt * 200, 5_000),
    });
    this.redis.on('error', (err: unknown) => this.noteAway(err));
    this.redis.on('ready', () => this.noteBack());
    this.cache = caching(redisInsStore(this.redis));
  }

  /** The kept answer of `key`, or what `compute` answers, kept for `ttlMs` milliseconds. Values must survive JSON. */
  async wrap<Value>(key: string, ttlMs: number, compute: () => Promise<Value>): Promise<Value> {
    const cache = await this.cache;
    const kept = await this.attempt(() => cache.get<Value>(KEY_PREFIX + key));
    if (kept !== undefined && kept !== null) return kept;
    const value = await compute();
    await this.attempt(() => cache.set(KEY_PREFIX + key, value, ttlMs));
    return value;
  }

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }

  private async attempt<Value>(command: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await command();
    } catch (error) {
      this.noteAway(error);
      return undefined;
    }
  }

  /** Said once, not at every request. */
  private noteAway(err: unknown): void {
    if (!this.away) this.logger.warn({ err }, 'Redis is away, answers are computed each time');
    this.away = true;
  }

  private noteBack(): void {
    if (this.away) this.logger.log({}, 'Redis is back');
    this.away = false;
  }
}
