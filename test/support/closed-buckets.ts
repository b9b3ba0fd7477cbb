import { ClosedBuckets } from '../../src/aggregation/closed-buckets';
import { AnswerCache } from '../../src/platform/cache/answer-cache';
import { SharedRedis } from '../../src/platform/cache/shared-redis';
import { loadConfig } from '../../src/platform/config/config';

/** A memory of its own, empty, that says how often it had to have something read. */
export class CountedMemory extends AnswerCache {
  misses = 0;

  override wrap<Value>(key: string, ttlMs: number, compute: () => Promise<Value>): Promise<Value> {
    return super.wrap(key, ttlMs, () => {
      this.misses += 1;
      return compute();
    });
  }
}

export function closedBucketsWith(settings: NodeJS.ProcessEnv = {}): {
  closedBuckets: ClosedBuckets;
  memory: CountedMemory;
} {
  const config = loadConfig({ NODE_ENV: 'test', ...settings });
  const memory = new CountedMemory(new SharedRedis(config));
  return { closedBuckets: new ClosedBuckets(memory, config), memory };
}
