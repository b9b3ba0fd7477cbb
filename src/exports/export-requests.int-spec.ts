import { randomUUID } from 'node:crypto';
import type { Answer } from '../../test/support/exporting';
import { ExportTrial, exportsOf, LAST_WEEK, ORG_A, ORG_B, REQUEST } from '../../test/support/export-trial';

describe('export requests', () => {
  let trial: ExportTrial;

  beforeAll(async () => {
    trial = await ExportTrial.start();
  });
  afterAll(() => trial?.stop());
  beforeEach(() => trial.clear());

  describe('asked for', () => {
    it('are answered 202 with a job, whose file is there when it has succeeded', async () => {
      const { status, body: job, headers } = await trial.request();
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
      expect((await trial.get(job.jobId, '/manifest')).status).toBe(409);
      expect((await trial.get(job.jobId, '/download')).status).toBe(409);
      await trial.exporting.write(ORG_A, job.jobId);
      const download = await trial.get(job.jobId, '/download');
      expect(download.status).toBe(302);
      expect(download.headers['location']).toContain(`/exports/${ORG_A}/${job.jobId}/1/usage-daily_`);
      expect(download.headers['cache-control']).toBe('no-store');
      const manifest = await trial.get(job.jobId, '/manifest');
      const [key, kept] = [...trial.store.objects].find(([each]) => each.endsWith('manifest.json')) ?? [];
      expect(JSON.parse(String(kept))).toEqual(manifest.body);
      expect([...trial.store.objects.keys()].at(-1)).toBe(key);
    });

    it('are checked by name, with every mistake', async () => {
      const { status, body } = await trial.request({
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
        expect((await trial.request({ ...REQUEST, [field]: '../../other' })).status).toBe(400);
      },
    );

    it('are limited per organisation', async () => {
      for (let job = 0; job < 3; job += 1) expect((await trial.request()).status).toBe(202);
      const { status, headers, body } = await trial.request();
      expect(status).toBe(429);
      expect(headers['retry-after']).toBeDefined();
      expect(body.detail).toContain('At most 3 exports');
      expect((await trial.exporting.send('POST', exportsOf(ORG_B), { body: REQUEST })).status).toBe(202);
    });
  });

  describe('with an Idempotency-Key', () => {
    it('are the same job for the same request, and 422 for another', async () => {
      const key = { 'idempotency-key': randomUUID() };
      const first = await trial.request(REQUEST, key);
      const second = await trial.request(REQUEST, { 'idempotency-key': `"${key['idempotency-key']}"` });
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(second.body.jobId).toBe(first.body.jobId);
      await trial.exporting.write(ORG_A, first.body.jobId);
      expect((await trial.request(REQUEST, key)).body).toMatchObject({
        jobId: first.body.jobId,
        state: 'succeeded',
      });
      expect((await trial.request({ ...REQUEST, granularity: 'hourly' }, key)).status).toBe(422);
      const other = await trial.exporting.send('POST', exportsOf(ORG_B), {
        key: 'other',
        body: REQUEST,
        headers: key,
      });
      expect(other.status).toBe(202);
      expect(other.body.jobId).not.toBe(first.body.jobId);
    });

    it('are one job when they come at the same time; those that cannot wait are told 409', async () => {
      const key = { 'idempotency-key': randomUUID() };
      const answers = await Promise.all(Array.from({ length: 8 }, () => trial.request(REQUEST, key)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 409].filter((code) => answers.some(({ status }) => status === code)))); // prettier-ignore
      const jobs = answers.filter(({ status }) => status === 202).map(({ body }) => body.jobId);
      expect(new Set(jobs).size).toBe(1);
      const { rows } = await trial.database.pool.query('select job_id from export_jobs');
      expect(rows).toHaveLength(1);
    });

    it('are told 409 while the first request is under way', async () => {
      const key = randomUUID();
      const client = await trial.database.pool.connect();
      try {
        await client.query('begin');
        await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`${ORG_A} ${key}`]);
        expect((await trial.request(REQUEST, { 'idempotency-key': key })).status).toBe(409);
      } finally {
        await client.query('rollback');
        client.release();
      }
      expect((await trial.request(REQUEST, { 'idempotency-key': key })).status).toBe(202);
    });
  });

  describe('of another organisation', () => {
    it.each([
      ['GET', ''],
      ['GET', '/download'],
      ['GET', '/manifest'],
      ['DELETE', ''],
    ] as const)('answer %s %s exactly like one that does not exist', async (method, part) => {
      const jobId = await trial.requested();
      await trial.exporting.write(ORG_A, jobId);
      const answer = (orgId: string, id: string) =>
        trial.exporting.send(method, `${exportsOf(orgId)}/${id}${part}`, { key: 'other' });
      const [foreignJob, noJob] = [await answer(ORG_B, jobId), await answer(ORG_B, randomUUID())];
      expect(foreignJob.status).toBe(404);
      expect(foreignJob.body).toEqual(noJob.body);
      const [foreignOrg, noOrg] = [await answer(ORG_A, jobId), await answer(randomUUID(), jobId)];
      expect(foreignOrg.status).toBe(404);
      expect(foreignOrg.body).toEqual(noOrg.body);
      expect((await trial.get(jobId)).body.state).toBe('succeeded');
    });

    it('are not in the list', async () => {
      await trial.requested();
      const { body } = await trial.exporting.send('GET', exportsOf(ORG_B), { key: 'other' });
      expect(body).toEqual({ exports: [], nextCursor: null });
    });
  });

  it('are listed newest first, page by page, each once', async () => {
    const ids: string[] = [];
    for (let job = 0; job < 3; job += 1) ids.unshift(await trial.requested());
    // In the same millisecond the id decides.
    await trial.database.pool.query("update export_jobs set requested_at = date_trunc('second', now())");
    const seen: string[] = [];
    let path: string | undefined = `${exportsOf(ORG_A)}?limit=1`;
    while (path !== undefined) {
      const { status, body, headers }: Answer = await trial.exporting.send('GET', path, { key: 'finance' });
      expect(status).toBe(200);
      seen.push(...body.exports.map(({ jobId }: { jobId: string }) => jobId));
      const next: string | undefined = /^<(.*)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1];
      expect(body.nextCursor !== null).toBe(next !== undefined);
      path = next;
    }
    expect(seen).toEqual([...ids].sort().reverse());
    expect((await trial.exporting.send('GET', `${exportsOf(ORG_A)}?cursor=x`)).status).toBe(400);
    expect((await trial.exporting.send('GET', `${exportsOf(ORG_A)}?state=failed`)).body.exports).toEqual([]);
  });
});
