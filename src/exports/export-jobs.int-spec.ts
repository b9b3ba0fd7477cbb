import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { type CountedEvent, randomEvents } from '../../test/support/counted-events';
import { eventually } from '../../test/support/eventually';
import { type Answer, type Exporting, startExporting } from '../../test/support/exporting';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { DAY_MS, HOUR_MS, TimeZone } from '../shared/time-zone';
import { attemptFolder, type ArtifactFolder, type ArtifactKey } from './artifacts/artifact-key';
import { ArtifactStore, ArtifactStoreError, type PutOptions } from './artifacts/artifact-store';
import { DeleteArtifactsCommand } from './commands/delete-artifacts.command';
import { ScheduleExportsCommand } from './commands/schedule-exports.command';
import type { Claim } from './export-jobs.repository';

const ORG_A = 'a0000000-0000-4000-8000-00000000000a';
const ORG_B = 'b0000000-0000-4000-8000-00000000000b';
const TODAY = TimeZone.UTC.floor(Date.now(), 'day');
const LAST_WEEK = { start: new Date(TODAY - 7 * DAY_MS).toISOString(), end: new Date(TODAY).toISOString() };
const REQUEST = { window: LAST_WEEK, granularity: 'daily' };

/** Keeps artifacts in memory, and does what a test wants before it takes one. */
class MemoryStore extends ArtifactStore {
  readonly objects = new Map<string, Buffer>();
  before: (key: ArtifactKey, options: PutOptions) => Promise<void> = async () => undefined;

  override async put(key: ArtifactKey, content: Readable, options: PutOptions): Promise<void> {
    await this.before(key, options);
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk as Buffer);
    options.signal.throwIfAborted();
    this.objects.set(key, Buffer.concat(chunks));
  }

  override async sizeOf(key: ArtifactKey): Promise<number | null> {
    return this.objects.get(key)?.length ?? null;
  }

  override async linkTo(key: ArtifactKey): Promise<string> {
    return `https://store.invalid/${key}`;
  }

  override async deleteFolder(folder: ArtifactFolder): Promise<void> {
    for (const key of this.objects.keys()) if (key.startsWith(folder)) this.objects.delete(key);
  }

  override async abortUnfinishedBefore(): Promise<number> {
    return 0;
  }

  /** Objects of a job, by their place in its folder. */
  of(jobId: string): string[] {
    return [...this.objects.keys()]
      .filter((key) => key.includes(jobId))
      .map((key) => key.split('/').slice(3).join('/'));
  }
}

describe('export jobs', () => {
  let database: TestDatabase;
  let exporting: Exporting;
  let store: MemoryStore;

  beforeAll(async () => {
    const shape = { models: ['m1', 'm2'], clients: ['', 'c'], from: TODAY - 25 * DAY_MS, to: TODAY };
    const events: CountedEvent[] = [
      ...randomEvents({ ...shape, orgIds: [ORG_A, ORG_B], count: 2_000, seed: 1 }),
    ];
    database = await rolledUpDatabase('postgres', events, new Date(TODAY - HOUR_MS));
    store = new MemoryStore();
    exporting = await startExporting(database, {
      store,
      keys: { finance: ORG_A, other: ORG_B },
      env: {
        EXPORT_MAX_OPEN_PER_ORG: '3',
        EXPORT_MAX_ATTEMPTS: '3',
        EXPORT_RETRY_BACKOFF: '1ms',
        EXPORT_LEASE: '600ms',
        EXPORT_CONCURRENCY: '2',
      },
    });
  });
  afterAll(async () => {
    await exporting?.close();
    await database?.drop();
  });
  beforeEach(async () => {
    store.before = async () => undefined;
    store.objects.clear();
    await database.pool.query('delete from export_jobs');
  });

  const exportsOf = (orgId: string): string => `/orgs/${orgId}/exports`;
  const request = (body: object = REQUEST, headers: Record<string, string> = {}): Promise<Answer> =>
    exporting.send('POST', exportsOf(ORG_A), { key: 'finance', body, headers });
  const get = (jobId: string, part = ''): Promise<Answer> =>
    exporting.send('GET', `${exportsOf(ORG_A)}/${jobId}${part}`, { key: 'finance' });
  const requested = async (): Promise<string> => (await request()).body.jobId as string;
  const age = (jobId: string, column: string, ms: number) =>
    database.pool.query(
      `update export_jobs set ${column} = ${column} - $2 * interval '1 ms' where job_id = $1`,
      [jobId, ms],
    );

  describe('asked for', () => {
    it('are answered 202 with a job, whose file is there when it has succeeded', async () => {
      const { status, body: job, headers } = await request();
      expect(status).toBe(202);
      expect(headers['location']).toBe(`/analytics/v1${exportsOf(ORG_A)}/${job.jobId}`);
      expect(job).toMatchObject({
        state: 'pending',
        orgId: ORG_A,
        window: LAST_WEEK,
        format: 'csv',
        timezone: 'UTC',
        requestedBy: 'financekey',
      });
      expect((await get(job.jobId, '/manifest')).status).toBe(409);
      expect((await get(job.jobId, '/download')).status).toBe(409);
      await exporting.write(ORG_A, job.jobId);
      const download = await get(job.jobId, '/download');
      expect(download.status).toBe(302);
      expect(download.headers['location']).toContain(`/exports/${ORG_A}/${job.jobId}/1/usage-daily_`);
      expect(download.headers['cache-control']).toBe('no-store');
      const manifest = await get(job.jobId, '/manifest');
      const [key, kept] = [...store.objects].find(([each]) => each.endsWith('manifest.json')) ?? [];
      expect(JSON.parse(String(kept))).toEqual(manifest.body);
      expect([...store.objects.keys()].at(-1)).toBe(key);
    });

    it('are checked by name, with every mistake', async () => {
      const { status, body } = await request({
        window: { start: 'yesterday' },
        granularity: 'yearly',
        format: 'xls',
        bucket: 's3://other',
        filters: { modelIds: [''] },
      });
      expect(status).toBe(400);
      expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
        '/bucket',
        '/filters/modelIds',
        '/format',
        '/granularity',
        '/window/end',
        '/window/end',
      ]);
    });

    it.each([['endpoint'], ['key'], ['path'], ['Bucket']])(
      'cannot say where the file goes: %s',
      async (field) => {
        expect((await request({ ...REQUEST, [field]: '../../other' })).status).toBe(400);
      },
    );

    it('are limited per organisation', async () => {
      for (let job = 0; job < 3; job += 1) expect((await request()).status).toBe(202);
      const { status, headers, body } = await request();
      expect(status).toBe(429);
      expect(headers['retry-after']).toBeDefined();
      expect(body.detail).toContain('At most 3 exports');
      expect((await exporting.send('POST', exportsOf(ORG_B), { body: REQUEST })).status).toBe(202);
    });
  });

  describe('with an Idempotency-Key', () => {
    it('are the same job for the same request, and 422 for another', async () => {
      const key = { 'idempotency-key': randomUUID() };
      const first = await request(REQUEST, key);
      const second = await request(REQUEST, { 'idempotency-key': `"${key['idempotency-key']}"` });
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(second.body.jobId).toBe(first.body.jobId);
      await exporting.write(ORG_A, first.body.jobId);
      expect((await request(REQUEST, key)).body).toMatchObject({
        jobId: first.body.jobId,
        state: 'succeeded',
      });
      expect((await request({ ...REQUEST, granularity: 'hourly' }, key)).status).toBe(422);
      const other = await exporting.send('POST', exportsOf(ORG_B), {
        key: 'other',
        body: REQUEST,
        headers: key,
      });
      expect(other.status).toBe(202);
      expect(other.body.jobId).not.toBe(first.body.jobId);
    });

    it('are one job when they come at the same time; those that cannot wait are told 409', async () => {
      const key = { 'idempotency-key': randomUUID() };
      const answers = await Promise.all(Array.from({ length: 8 }, () => request(REQUEST, key)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 409].filter((code) => answers.some(({ status }) => status === code)))); // prettier-ignore
      const jobs = answers.filter(({ status }) => status === 202).map(({ body }) => body.jobId);
      expect(new Set(jobs).size).toBe(1);
      const { rows } = await database.pool.query('select job_id from export_jobs');
      expect(rows).toHaveLength(1);
    });

    it('are told 409 while the first request is under way', async () => {
      const key = randomUUID();
      const client = await database.pool.connect();
      try {
        await client.query('begin');
        await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`${ORG_A} ${key}`]);
        expect((await request(REQUEST, { 'idempotency-key': key })).status).toBe(409);
      } finally {
        await client.query('rollback');
        client.release();
      }
      expect((await request(REQUEST, { 'idempotency-key': key })).status).toBe(202);
    });
  });

  describe('of another organisation', () => {
    it.each([
      ['GET', ''],
      ['GET', '/download'],
      ['GET', '/manifest'],
      ['DELETE', ''],
    ] as const)('answer %s %s exactly like one that does not exist', async (method, part) => {
      const jobId = await requested();
      await exporting.write(ORG_A, jobId);
      const answer = (orgId: string, id: string) =>
        exporting.send(method, `${exportsOf(orgId)}/${id}${part}`, { key: 'other' });
      const [foreignJob, noJob] = [await answer(ORG_B, jobId), await answer(ORG_B, randomUUID())];
      expect(foreignJob.status).toBe(404);
      expect(foreignJob.body).toEqual(noJob.body);
      const [foreignOrg, noOrg] = [await answer(ORG_A, jobId), await answer(randomUUID(), jobId)];
      expect(foreignOrg.status).toBe(404);
      expect(foreignOrg.body).toEqual(noOrg.body);
      expect((await get(jobId)).body.state).toBe('succeeded');
    });

    it('are not in the list', async () => {
      await requested();
      const { body } = await exporting.send('GET', exportsOf(ORG_B), { key: 'other' });
      expect(body).toEqual({ exports: [], nextCursor: null });
    });
  });

  it('are listed newest first, page by page, each once', async () => {
    const ids: string[] = [];
    for (let job = 0; job < 3; job += 1) ids.unshift(await requested());
    // In the same millisecond the id decides.
    await database.pool.query("update export_jobs set requested_at = date_trunc('second', now())");
    const seen: string[] = [];
    let path: string | undefined = `${exportsOf(ORG_A)}?limit=1`;
    while (path !== undefined) {
      const { status, body, headers }: Answer = await exporting.send('GET', path, { key: 'finance' });
      expect(status).toBe(200);
      seen.push(...body.exports.map(({ jobId }: { jobId: string }) => jobId));
      const next: string | undefined = /^<(.*)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1];
      expect(body.nextCursor !== null).toBe(next !== undefined);
      path = next;
    }
    expect(seen).toEqual([...ids].sort().reverse());
    expect((await exporting.send('GET', `${exportsOf(ORG_A)}?cursor=x`)).status).toBe(400);
    expect((await exporting.send('GET', `${exportsOf(ORG_A)}?state=failed`)).body.exports).toEqual([]);
  });

  describe('cancelled', () => {
    it('are never written', async () => {
      const jobId = await requested();
      const cancel = () => exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`, { key: 'finance' });
      expect((await cancel()).body.state).toBe('cancelled');
      expect((await cancel()).body.state).toBe('cancelled');
      expect(await exporting.worker.work(jobId)).toBe(false);
      expect((await get(jobId, '/download')).status).toBe(410);
    });

    it('while they are written leave nothing behind', async () => {
      const jobId = await requested();
      store.before = (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      const written = exporting.worker.work(jobId);
      await eventually(async () => expect((await get(jobId)).body.state).toBe('running'));
      await exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`, { key: 'finance' });
      await written;
      expect((await get(jobId)).body.state).toBe('cancelled');
      expect(store.of(jobId)).toEqual([]);
    });

    it('too late are 409', async () => {
      const jobId = await requested();
      await exporting.write(ORG_A, jobId);
      expect((await exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`)).status).toBe(409);
    });
  });

  describe('that fail', () => {
    it('are tried again, and succeed when the store does', async () => {
      const jobId = await requested();
      store.before = () => Promise.reject(new ArtifactStoreError('The artifact store is away.'));
      await exporting.worker.work(jobId);
      expect((await get(jobId)).body).toMatchObject({
        state: 'pending',
        attempt: 1,
        failure: 'The artifact store is away.',
      });
      store.before = async () => undefined;
      await eventually(() => exporting.write(ORG_A, jobId));
      expect((await get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2, failure: null });
      expect(store.of(jobId).sort()).toEqual([
        expect.stringMatching(/^2\/manifest/),
        expect.stringMatching(/^2\/usage/),
      ]);
    });

    it('are given up with a reason after EXPORT_MAX_ATTEMPTS', async () => {
      const jobId = await requested();
      store.before = () => Promise.reject(new ArtifactStoreError('The artifact store is away.'));
      await eventually(async () => {
        await exporting.worker.work(jobId);
        expect((await get(jobId)).body.state).toBe('failed');
      });
      expect((await get(jobId)).body).toMatchObject({ attempt: 3, failure: 'The artifact store is away.' });
      expect((await get(jobId, '/download')).status).toBe(410);
      expect(await exporting.worker.work(jobId)).toBe(false);
    });

    it('wait longer each time', async () => {
      const jobId = await requested();
      const claim = (await exporting.jobs.claim('w', jobId)) as Claim;
      await exporting.jobs.fail(claim, 'x', 60_000);
      expect(await exporting.jobs.claim('w', jobId)).toBeUndefined();
      await age(jobId, 'available_at', 60_000);
      expect((await exporting.jobs.claim('w', jobId))?.attempt).toBe(2);
    });

    it('because a manifest could not be stored have no file', async () => {
      const jobId = await requested();
      store.before = (key) =>
        key.endsWith('manifest.json') ? Promise.reject(new ArtifactStoreError('No.')) : Promise.resolve();
      await exporting.worker.work(jobId);
      expect((await get(jobId)).body.state).toBe('pending');
      expect((await get(jobId, '/download')).status).toBe(409);
      expect(store.of(jobId)).toEqual([]);
    });

    it('because the store kept less than was written have no file', async () => {
      const jobId = await requested();
      const sizeOf = jest.spyOn(store, 'sizeOf').mockResolvedValue(5);
      await exporting.worker.work(jobId);
      sizeOf.mockRestore();
      expect((await get(jobId)).body).toMatchObject({
        state: 'pending',
        failure: expect.stringMatching(/kept 5 of the \d+ bytes/),
      });
    });
  });

  describe('whose worker', () => {
    it('is alive are nobody else’s', async () => {
      const jobId = await requested();
      let release: () => void = () => undefined;
      store.before = (key) =>
        key.endsWith('.csv') ? new Promise((go) => (release = go)) : Promise.resolve();
      const written = exporting.worker.work(jobId);
      await eventually(async () => expect((await get(jobId)).body.state).toBe('running'));
      // Longer than the lease: heartbeats keep it.
      for (let waited = 0; waited < 1_500; waited += 100) {
        expect(await exporting.jobs.claim('another', jobId)).toBeUndefined();
        await new Promise((resume) => setTimeout(resume, 100));
      }
      release();
      await written;
      expect((await get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 1 });
    });

    it('has died are taken over, with the next attempt', async () => {
      const jobId = await requested();
      const dead = (await exporting.jobs.claim('dead', jobId)) as Claim;
      expect(await exporting.jobs.claim('another', jobId)).toBeUndefined();
      await age(jobId, 'heartbeat_at', 700);
      await exporting.write(ORG_A, jobId);
      expect((await get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
      expect(await exporting.jobs.heartbeat(dead, 1)).toBe(false);
      expect(await exporting.jobs.succeed(dead, 'exports/x', '{}')).toBe(false);
      expect(await exporting.jobs.fail(dead, 'x', null)).toBe(false);
      expect(await exporting.jobs.release(dead)).toBe(false);
      expect((await get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
    });

    it('was frozen and wakes up when another has finished changes nothing', async () => {
      const jobId = await requested();
      let wake: () => void = () => undefined;
      // As a stopped process would: neither heartbeats nor anything else until it is woken.
      const heartbeat = jest.spyOn(exporting.jobs, 'heartbeat').mockResolvedValue(true);
      store.before = (key) => (key.endsWith('.csv') ? new Promise((go) => (wake = go)) : Promise.resolve());
      const frozen = exporting.worker.work(jobId);
      await eventually(async () => expect((await get(jobId)).body.state).toBe('running'));
      await age(jobId, 'heartbeat_at', 700);
      store.before = async () => undefined;
      await exporting.write(ORG_A, jobId);
      const after = [...store.objects];
      wake();
      await frozen;
      heartbeat.mockRestore();
      expect([...store.objects]).toEqual(after);
      expect(store.of(jobId).every((place) => place.startsWith('2/'))).toBe(true);
      expect((await get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
    });

    it('dies again and again are given up', async () => {
      const jobId = await requested();
      for (let death = 0; death < 3; death += 1) {
        expect(await exporting.jobs.claim('dying', jobId)).toBeDefined();
        await age(jobId, 'heartbeat_at', 700);
      }
      await exporting.worker.work(jobId);
      expect((await get(jobId)).body).toMatchObject({
        state: 'failed',
        failure: expect.stringContaining('ended unexpectedly'),
      });
    });

    it('is one of many are written once, however many claim', async () => {
      const ids = [await requested(), await requested()];
      const claims = await Promise.all(
        Array.from({ length: 12 }, (_, worker) => exporting.jobs.claim(`w${worker}`)),
      );
      expect(claims.flatMap((job) => job?.jobId ?? []).sort()).toEqual(ids.sort());
    });

    it('leaves what an earlier attempt wrote to be cleared by the next', async () => {
      const jobId = await requested();
      const dead = (await exporting.jobs.claim('dead', jobId)) as Claim;
      store.objects.set(`${attemptFolder(dead)}usage.csv`, Buffer.from('half'));
      await age(jobId, 'heartbeat_at', 700);
      await exporting.write(ORG_A, jobId);
      expect(store.of(jobId).filter((place) => place.startsWith('1/'))).toEqual([]);
    });
  });

  it('of one organisation leave room for those of others', async () => {
    for (let job = 0; job < 3; job += 1) await requested();
    const other = (await exporting.send('POST', exportsOf(ORG_B), { body: REQUEST })).body.jobId as string;
    const claimed = [
      await exporting.jobs.claim('w'),
      await exporting.jobs.claim('w'),
      await exporting.jobs.claim('w'),
    ];
    expect(claimed.map((job) => job?.orgId)).toEqual([ORG_A, ORG_A, ORG_B]);
    expect(claimed[2]?.jobId).toBe(other);
    expect(await exporting.jobs.claim('w')).toBeUndefined();
  });

  describe('expired', () => {
    it('have no file any more, neither for the API nor in the store', async () => {
      const jobId = await requested();
      await exporting.write(ORG_A, jobId);
      expect(await exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 0 });
      const { expiresAt, finishedAt } = (await get(jobId)).body;
      expect(Date.parse(expiresAt) - Date.parse(finishedAt)).toBe(90 * DAY_MS);
      await age(jobId, 'expires_at', 91 * DAY_MS);
      // At once, before anything was deleted.
      expect((await get(jobId, '/download')).status).toBe(410);
      expect((await get(jobId, '/manifest')).status).toBe(410);
      const deleteFolder = jest
        .spyOn(store, 'deleteFolder')
        .mockRejectedValueOnce(new ArtifactStoreError('Away.'));
      await expect(exporting.commands.execute(new DeleteArtifactsCommand())).rejects.toThrow('Away.');
      deleteFolder.mockRestore();
      expect(await exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 1 });
      expect((await get(jobId)).body.state).toBe('expired');
      expect(store.of(jobId)).toEqual([]);
      expect((await get(jobId, '/download')).status).toBe(410);
      expect(await exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 0 });
    });
  });

  describe('scheduled', () => {
    const schedule = () => exporting.commands.execute(new ScheduleExportsCommand());
    const rewind = (ms: number) =>
      database.pool.query("update export_schedule set fired_through = now() - $1 * interval '1 ms'", [ms]);

    it('are added for each organisation with usage, once, and caught up', async () => {
      await rewind(0);
      expect(await schedule()).toBe(0);
      await rewind(60 * DAY_MS);
      const added = await schedule();
      const { rows } = await database.pool.query(
        'select org_id, scheduled_for, window_start, requested_by, format from export_jobs order by scheduled_for, org_id',
      );
      expect(rows).toHaveLength(added);
      expect(added).toBeGreaterThanOrEqual(2);
      expect(new Set(rows.map(({ org_id }) => org_id))).toEqual(new Set([ORG_A, ORG_B]));
      expect(rows[0]).toMatchObject({ requested_by: 'schedule', format: 'csv.gz' });
      expect(await schedule()).toBe(0);
      await rewind(60 * DAY_MS);
      expect(await schedule()).toBe(0);
    });

    it('are added once by processes that do it at the same time', async () => {
      await rewind(60 * DAY_MS);
      const added = await Promise.all([schedule(), schedule(), schedule()]);
      expect(added.filter((jobs) => jobs > 0)).toHaveLength(1);
    });

    it('are written like all others', async () => {
      await rewind(60 * DAY_MS);
      await schedule();
      await exporting.worker.drain();
      const { rows } = await database.pool.query('select distinct state from export_jobs');
      expect(rows).toEqual([{ state: 'succeeded' }]);
    });
  });

  it('of single events that were dropped meanwhile fail at once and say what to ask for', async () => {
    const { body } = await request({ window: LAST_WEEK, granularity: 'events' });
    await database.pool.query("update rollup_state set raw_from = now() - interval '1 day'");
    await exporting.worker.work(body.jobId);
    await database.pool.query("update rollup_state set raw_from = '-infinity'");
    expect((await get(body.jobId)).body).toMatchObject({
      state: 'failed',
      attempt: 1,
      failure: expect.stringContaining('ask for the granularity hourly'),
    });
  });
});
