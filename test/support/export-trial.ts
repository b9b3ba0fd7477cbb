import { DAY_MS, HOUR_MS, TimeZone } from '../../src/shared/time-zone';
import { randomEvents } from './counted-events';
import { type Answer, type Exporting, startExporting } from './exporting';
import { MemoryArtifactStore } from './memory-artifact-store';
import { rolledUpDatabase } from './rolled-up-database';
import type { TestDatabase } from './test-database';

export const ORG_A = 'a0000000-0000-4000-8000-00000000000a';
export const ORG_B = 'b0000000-0000-4000-8000-00000000000b';
const TODAY = TimeZone.UTC.floor(Date.now(), 'day');
export const LAST_WEEK = {
  start: new Date(TODAY - 7 * DAY_MS).toISOString(),
  end: new Date(TODAY).toISOString(),
};
export const REQUEST = { window: LAST_WEEK, granularity: 'daily' };

/** Longer than a slow machine keeps a heartbeat waiting: what is to expire is aged. */
export const LEASE_MS = 3_000;

export const exportsOf = (orgId: string): string => `/orgs/${orgId}/exports`;

/** Export jobs of two organisations with small limits, a store in memory, and workers that work when they are told. */
export class ExportTrial {
  private constructor(
    readonly database: TestDatabase,
    readonly exporting: Exporting,
    readonly store: MemoryArtifactStore,
  ) {}

  /** `now`: the moment at which the clock stands still until the test moves it; without it, it goes. */
  static async start(now?: Date): Promise<ExportTrial> {
    const shape = { models: ['m1', 'm2'], clients: ['', 'c'], from: TODAY - 25 * DAY_MS, to: TODAY };
    const events = randomEvents({ ...shape, orgIds: [ORG_A, ORG_B], count: 2_000, seed: 1 });
    const database = await rolledUpDatabase('postgres', events, new Date(TODAY - HOUR_MS));
    const store = new MemoryArtifactStore();
    const exporting = await startExporting(database, {
      store,
      ...(now ? { now } : {}),
      keys: { finance: ORG_A, other: ORG_B },
      env: {
        EXPORT_MAX_OPEN_PER_ORG: '3',
        EXPORT_MAX_ATTEMPTS: '3',
        EXPORT_RETRY_BACKOFF: '1ms',
        EXPORT_LEASE: `${LEASE_MS}ms`,
        EXPORT_CONCURRENCY: '2',
      },
    });
    return new ExportTrial(database, exporting, store);
  }

  async stop(): Promise<void> {
    await this.exporting.close();
    await this.database.drop();
  }

  /** No jobs, no objects, a store that takes everything. */
  async clear(): Promise<void> {
    this.store.before = async () => undefined;
    this.store.objects.clear();
    await this.database.pool.query('delete from export_jobs');
  }

  request(body: object = REQUEST, headers: Record<string, string> = {}): Promise<Answer> {
    return this.exporting.send('POST', exportsOf(ORG_A), { key: 'finance', body, headers });
  }

  async requested(): Promise<string> {
    return (await this.request()).body.jobId as string;
  }

  get(jobId: string, part = ''): Promise<Answer> {
    return this.exporting.send('GET', `${exportsOf(ORG_A)}/${jobId}${part}`, { key: 'finance' });
  }

  /** As if so many milliseconds had passed since the time in `column`. */
  async age(
    jobId: string,
    column: 'available_at' | 'heartbeat_at' | 'expires_at',
    ms: number,
  ): Promise<void> {
    await this.database.pool.query(
      `update export_jobs set ${column} = ${column} - $2 * interval '1 ms' where job_id = $1`,
      [jobId, ms],
    );
  }
}
