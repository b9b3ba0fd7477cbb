import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type Cache, caching, type MemoryCache } from 'cache-manager';
import { redisInsStore } from 'cache-manager-ioredis-yet';
import Redis from 'ioredis';
import { Counter } from 'prom-client';
import { Config } from '../config/config';

const MEMORY_ENTRIES = 10_000;
const MEMORY_CHARACTERS = 16 * 2 ** 20;
const REDIS_TIMEOUT_MS = 250;
const KEY_PREFIX = 'usage-analytics:';

const requests = new Counter({
  name: 'answer_cache_requests_total',
  help: 'Answers asked of the cache: kept there (hit), computed (miss), or computed because it was away.',
  labelNames: ['outcome'],
});

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
      this.cache = caching('memory', {
        ttl: 0,
        max: MEMORY_ENTRIES,
        maxSize: MEMORY_CHARACTERS,
        sizeCalculation: (text) => (text as string).length,
      });
      return;
    }
    this.redis = new Redis(redisUrl, {
      connectTimeout: 2_000,
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

  /**
   * The kept answer of `key`, or what `compute` answers, kept for `ttlMs` milliseconds. Values must survive JSON. What
   * `compute` throws is thrown and not kept.
   */
  async wrap<Value>(key: string, ttlMs: number, compute: () => Promise<Value>): Promise<Value> {
    const kept = await this.read(key);
    requests.inc({ outcome: kept === undefined ? 'away' : kept === null ? 'miss' : 'hit' });
    if (typeof kept === 'string') return JSON.parse(kept) as Value;
    const value = await compute();
    // Waiting for a cache that was away a moment ago would cost the caller its timeout twice.
    if (kept === null) await this.keep(key, value, ttlMs);
    return value;
  }

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }

  /** `null` when nothing is kept, `undefined` when the cache is away. */
  private async read(key: string): Promise<string | null | undefined> {
    try {
      const kept = await (await this.cache).get(KEY_PREFIX + key);
      return typeof kept === 'string' ? kept : null;
    } catch (error) {
      this.noteAway(error);
      return undefined;
    }
  }

  /**
   * As JSON text: the store would take texts that begin with, for example, `_date_` or `_function_` for more than
   * texts, and the memory would lend out one object to all.
   */
  private async keep(key: string, value: unknown, ttlMs: number): Promise<void> {
    const text = JSON.stringify(value) as string | undefined;
    // The stores take 0 for ever.
    if (text === undefined || ttlMs < 1) return;
    try {
      await (await this.cache).set(KEY_PREFIX + key, text, Math.floor(ttlMs));
    } catch (error) {
      this.noteAway(error);
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
