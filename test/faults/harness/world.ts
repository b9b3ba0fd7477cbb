import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../../src/cli/demo/seeded-random';
import type { Servers } from '../../../src/cli/servers/servers';
import { pause } from '../../../src/cli/servers/server-program';
import type { StorageEngineKind } from '../../../src/platform/database/storage-engine';
import { S3_BUCKET, S3_CREDENTIALS, startTestS3, type TestS3 } from '../../support/s3-server';
import { TcpProxy } from '../../support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../../support/test-database';
import { createTestRedis } from '../../support/test-redis';
import { createTestVhost, type TestVhost } from '../../support/test-vhost';
import { Build } from './build';
import type { StoredEvent } from './evidence';
import { Journal } from './journal';
import { Replica } from './replica';
import { Router } from './router';
import { Sampler } from './sampler';
import { type Shares, SHARES, Workload } from './workload';

export interface WorldOptions {
  readonly engine: StorageEngineKind;
  readonly seed: number;
  /** Private ones, for cells that end them. */
  readonly servers?: Servers | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly shares?: Partial<Shares> | undefined;
  /** Plants a bug. */
  readonly plant?: ((build: Build) => void) | undefined;
  readonly log: (line: string) => void;
}

const SETTINGS = {
  NODE_ENV: 'development',
  LOG_LEVEL: 'warn',
  INGEST_LEASE: '1s',
  ROLLUP_REFRESH_INTERVAL: '1s',
  FRESHNESS_CACHE_TTL: '100ms',
  EXPORT_LEASE: '2s',
  EXPORT_RETRY_BACKOFF: '200ms',
  EXPORT_MAX_ATTEMPTS: '100',
  EXPORT_MAX_OPEN_PER_ORG: '1000',
  S3_BUCKET,
  S3_FORCE_PATH_STYLE: 'true',
  S3_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
};

const STORED = 'select count(*)::integer as count from usage_event_keys where event_id = any ($1)';

/** How long everything may take to be stored once nothing is broken any more. */
const RECOVERY_LIMIT_MS = 180_000;

/**
 * A database, a virtual host, a bucket, two replicas of the built service, and a router that sends; between every two
 * of them a proxy. Made for one run and thrown away after it.
 */
export class World {
  /** Seconds that each recovery took. */
  readonly recoveries: number[] = [];
  /** What a cell has seen go wrong, besides what the oracles count. */
  readonly complaints: string[] = [];
  /** Events that were stored and have passed their retention since. */
  expired: readonly StoredEvent[] = [];
  readonly random: () => number;

  private constructor(
    readonly options: WorldOptions,
    readonly directory: string,
    readonly database: TestDatabase,
    readonly vhost: TestVhost,
    readonly s3: TestS3,
    readonly replicas: readonly [Replica, Replica],
    /** Between the router and the broker. */
    readonly routerEdge: TcpProxy,
    readonly journal: Journal,
    readonly workload: Workload,
    readonly router: Router,
    readonly sampler: Sampler,
  ) {
    this.random = seededRandom(options.seed + 1_000_003);
  }

  static async create(options: WorldOptions): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'faults-'));
    const build = Build.copyTo(join(directory, 'build'));
    options.plant?.(build);
    const [database, vhost, redis, s3] = await Promise.all([
      createTestDatabase(options.engine),
      createTestVhost(),
      createTestRedis(),
      startTestS3(),
    ]);
    // Both ways to read a stream have to hold, each on both engines, which take turns.
    const streamPort = Math.floor(options.seed / 2) % 2 === 1 ? vhost.streamPort : undefined;
    const addresses = { databaseUrl: database.url, amqpUrl: vhost.url, streamPort, redisUrl: redis.url };
    const settings = {
      ...SETTINGS,
      STORAGE_ENGINE: options.engine,
      DATA_DIR: directory,
      S3_ENDPOINT: s3.proxy.endpoint,
      ...options.settings,
    };
    const create = (name: string) =>
      Replica.create(name, addresses, settings, build.main, join(directory, `${name}.log`));
    const replicas = [await create('replica-1'), await create('replica-2')] as const;
    const routerEdge = await TcpProxy.before(vhost.url);
    const journal = new Journal(join(directory, 'journal.tsv'));
    const workload = new Workload(options.seed, { ...SHARES, ...options.shares });
    try {
      await Promise.all(replicas.map((replica) => replica.start()));
      await Promise.all(replicas.map((replica) => replica.ready()));
    } catch (error) {
      await Promise.allSettled([...replicas.map((replica) => replica.close()), routerEdge.close()]);
      await Promise.allSettled([database.drop(), vhost.drop(), s3.stop()]);
      throw error;
    }
    const router = new Router(routerEdge.through(vhost.url), workload, journal);
    const sampler = new Sampler(database.pool, replicas, journal);
    sampler.start();
    return new World(
      options, directory, database, vhost, s3, replicas, routerEdge, journal, workload, router, sampler,
    ); // prettier-ignore
  }

  /** All ways of one kind. */
  edges(to: 'database' | 'broker' | 'redis'): readonly TcpProxy[] {
    return this.replicas.flatMap((replica) => replica.edges(to));
  }

  /** The servers, where they were started for this harness alone. */
  get servers(): Servers {
    if (!this.options.servers)
      throw new Error('This cell needs servers of its own: run it by `npm run faults`.');
    return this.options.servers;
  }

  /**
   * Waits until events that are sent now are stored, and notes the time since the fault was over as a recovery. Throws
   * when that takes too long.
   */
  async recovered(since = Date.now()): Promise<void> {
    await this.passedThrough();
    this.recoveries.push((Date.now() - since) / 1_000);
  }

  /** Stops the flow and waits until everything that was sent is confirmed, stored and, where it was late, rolled up. */
  async drained(): Promise<void> {
    await this.router.settled(RECOVERY_LIMIT_MS);
    await this.passedThrough();
    await this.router.settled(RECOVERY_LIMIT_MS);
    const deadline = Date.now() + RECOVERY_LIMIT_MS;
    while ((await this.count('select count(*)::integer as count from dirty_windows')) !== 0) {
      if (Date.now() > deadline)
        throw new Error(`Late events are not rolled up after ${RECOVERY_LIMIT_MS / 1_000} s.`);
      await pause(100);
    }
  }

  /** The one number of a statement, asked past all faults; undefined while the database is away. */
  async count(statement: string, values: unknown[] = []): Promise<number | undefined> {
    return this.database.pool
      .query<{ count: number }>(statement, values)
      .then(({ rows }) => rows[0]?.count)
      .catch(() => undefined);
  }

  /** Reads the whole stream again, as if nothing of it had ever been read. */
  async replayed(): Promise<void> {
    await this.sampler.without(() =>
      this.database.pool.query('update ingest_cursors set next_offset = 0, last_message_hash = null'),
    );
    await this.drained();
  }

  async close(): Promise<void> {
    await this.sampler.stop();
    await this.router.stop();
    this.journal.close();
    await Promise.all(this.replicas.map((replica) => replica.close()));
    await this.routerEdge.close();
    await Promise.allSettled([this.database.drop(), this.vhost.drop(), this.s3.stop()]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async passedThrough(): Promise<void> {
    const sentinels = this.workload.sentinels();
    this.router.send(sentinels);
    const ids = sentinels.map(({ id }) => id);
    const deadline = Date.now() + RECOVERY_LIMIT_MS;
    for (;;) {
      const stored = await this.count(STORED, [ids]);
      if (stored === ids.length) return;
      if (Date.now() > deadline) throw new Error(`Nothing was stored for ${RECOVERY_LIMIT_MS / 1_000} s.`);
      await pause(50);
    }
  }
}
