import { Injectable } from '@nestjs/common';
import { type Cache, caching, type MemoryCache } from 'cache-manager';
import { redisInsStore } from 'cache-manager-ioredis-yet';
import { Counter } from 'prom-client';
import { SharedRedis } from './shared-redis';

const MEMORY_ENTRIES = 10_000;
const MEMORY_CHARACTERS = 16 * 2 ** 20;
/** A larger answer would take the place of too many others. */
const ANSWER_CHARACTERS = 2 ** 20;
const KEY_PREFIX = 'usage-analytics:';

const requests = new Counter({
  name: 'answer_cache_requests_total',
  help: 'Answers asked of the cache: kept there (hit), computed (miss), or computed because it was away.',
  labelNames: ['outcome'],
});

/**
 * Keeps answers for a while: in Redis, or in this process without REDIS_URL. A cache that is away makes answers slower,
 * never wrong and never an error. Keys must contain the organisation.
 */
@Injectable()
export class AnswerCache {
  private readonly cache: Promise<Cache | MemoryCache>;

  constructor(private readonly redis: SharedRedis) {
    this.cache = redis.client
      ? caching(redisInsStore(redis.client))
      : caching('memory', {
          ttl: 0,
          max: MEMORY_ENTRIES,
          maxSize: MEMORY_CHARACTERS,
          sizeCalculation: (text) => (text as string).length,
        });
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

  /** `null` when nothing is kept, `undefined` when the cache is away. */
  private async read(key: string): Promise<string | null | undefined> {
    try {
      const kept = await (await this.cache).get(KEY_PREFIX + key);
      return typeof kept === 'string' ? kept : null;
    } catch (error) {
      this.redis.noteAway(error);
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
    if (text === undefined || text.length > ANSWER_CHARACTERS || ttlMs < 1) return;
    try {
      await (await this.cache).set(KEY_PREFIX + key, text, Math.floor(ttlMs));
    } catch (error) {
      this.redis.noteAway(error);
    }
  }
}
