import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import Redis from 'ioredis';
import { Config } from '../config/config';

const REDIS_TIMEOUT_MS = 250;

/** The connection to Redis, or none without REDIS_URL. Whoever uses it must do without it while it is away. */
@Injectable()
export class SharedRedis implements OnApplicationShutdown {
  readonly client: Redis | undefined;
  private readonly logger = new Logger(SharedRedis.name);
  private away = false;

  constructor({ redisUrl }: Config) {
    if (redisUrl === null) return;
    this.client = new Redis(redisUrl, {
      connectTimeout: 2_000,
      commandTimeout: REDIS_TIMEOUT_MS,
      // A command that finds no connection fails at once.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => Math.min(attempt * 200, 5_000),
    });
    this.client.on('error', (err: unknown) => this.noteAway(err));
    this.client.on('ready', () => this.noteBack());
  }

  /** Said once, not at every request. */
  noteAway(err: unknown): void {
    if (!this.away)
      this.logger.warn({ err }, 'Redis is away: answers are computed each time, replicas count requests for themselves'); // prettier-ignore
    this.away = true;
  }

  onApplicationShutdown(): void {
    this.client?.disconnect();
  }

  private noteBack(): void {
    if (this.away) this.logger.log({}, 'Redis is back');
    this.away = false;
  }
}
