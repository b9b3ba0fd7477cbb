import { createHash } from 'node:crypto';
import type { S3ArtifactStoreOptions } from '../../src/exports/artifacts/s3.artifact-store';
import type { TestDatabase } from '../support/test-database';
import { csvRows } from '../support/csv';
import { eventually } from '../support/eventually';
import { type Exporting, startExporting } from '../support/exporting';
import { manyEvents, MANY_EVENTS, MANY_EVENTS_OF, MANY_EVENTS_WINDOW } from '../support/many-events';
import { startTestS3, type TestS3 } from '../support/s3-server';
import type { S3Fault, S3Operation } from '../support/s3-proxy';

const REQUEST = { window: MANY_EVENTS_WINDOW, granularity: 'events' };

/** Several parts of 8 MiB, so that everything of a multipart upload can go wrong. */
describe('exports into an S3 that fails', () => {
  let database: TestDatabase;
  let s3: TestS3;
  let exporting: Exporting;

  beforeAll(async () => {
    database = await manyEvents('postgres');
    s3 = await startTestS3();
    const options: Partial<S3ArtifactStoreOptions> = { timeout: 1_000 };
    exporting = await startExporting(database, {
      store: s3.store(options),
      env: { EXPORT_RETRY_BACKOFF: '10ms', EXPORT_MAX_ATTEMPTS: '3' },
    });
  });
  afterAll(async () => {
    await exporting?.close();
    await Promise.all([s3?.stop(), database?.drop()]);
  });
  beforeEach(() => {
    s3.proxy.heal();
    s3.proxy.seen.length = 0;
    s3.proxy.complaints.length = 0;
  });

  const path = `/orgs/${MANY_EVENTS_OF}/exports`;
  const jobOf = async (jobId: string) => (await exporting.send('GET', `${path}/${jobId}`)).body;

  async function request(): Promise<string> {
    return (await exporting.send('POST', path, { body: REQUEST })).body.jobId as string;
  }

  async function expectWhole(jobId: string): Promise<void> {
    const { manifest, bytes, text } = await exporting.readFile(MANY_EVENTS_OF, jobId);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(manifest.file.sha256);
    expect(new Set(csvRows(text).map(({ eventId }) => eventId)).size).toBe(MANY_EVENTS);
    expect(manifest.controlTotals.requests).toBe(String(MANY_EVENTS));
    expect(s3.proxy.complaints).toEqual([]);
    expect([...s3.proxy.uploads.values()].filter(({ aborted }) => !aborted)).toEqual([]);
  }

  /** Neither the API nor whoever reads the bucket sees a file. */
  async function expectNoFile(jobId: string): Promise<void> {
    expect((await exporting.send('GET', `${path}/${jobId}/download`)).status).toBeGreaterThanOrEqual(400);
    expect((await exporting.send('GET', `${path}/${jobId}/manifest`)).status).toBeGreaterThanOrEqual(400);
    expect(await s3.keys()).not.toContainEqual(expect.stringContaining(jobId));
  }

  it.each<[string, S3Fault, S3Operation]>([
    ['answers 503 to parts', 'slow-down', 'UploadPart'],
    ['answers 503 to the beginning', 'slow-down', 'CreateMultipartUpload'],
    ['answers 503 to the manifest', 'slow-down', 'PutObject'],
    ['resets connections in the middle of a part', 'reset', 'UploadPart'],
    ['falls silent in the middle', 'silence', 'UploadPart'],
    ['completes with an error in a 200', 'error-in-200', 'CompleteMultipartUpload'],
    ['keeps half of each part', 'half', 'UploadPart'],
    ['denies everything', 'denied', 'CreateMultipartUpload'],
  ])('have no file while the store %s, and a whole one afterwards', async (_, fault, operation) => {
    const jobId = await request();
    s3.proxy.inject(fault, operation);
    await exporting.worker.work(jobId);
    const job = await jobOf(jobId);
    expect(job).toMatchObject({ state: 'pending', attempt: 1 });
    expect(job.failure).toMatch(/^The artifact store .*\.$/);
    expect(job.failure).not.toMatch(/exports-of-the-test|127\.0\.0\.1/);
    s3.proxy.heal();
    await expectNoFile(jobId);
    await eventually(async () => {
      await exporting.worker.work(jobId);
      expect((await jobOf(jobId)).state).toBe('succeeded');
    });
    await expectWhole(jobId);
    s3.proxy.complaints.length = 0;
  });

  it('are given up with a reason when the store does not come back', async () => {
    const jobId = await request();
    await s3.proxy.stop();
    await eventually(async () => {
      await exporting.worker.work(jobId);
      expect((await jobOf(jobId)).state).toBe('failed');
    });
    expect(await jobOf(jobId)).toMatchObject({
      attempt: 3,
      failure: expect.stringContaining('did not take the file'),
    });
    await s3.proxy.start();
    await expectNoFile(jobId);
  });

  it('take their time when the store is slow', async () => {
    const jobId = await request();
    s3.proxy.bytesPerSecond = 8_000_000;
    await exporting.write(MANY_EVENTS_OF, jobId);
    s3.proxy.heal();
    await expectWhole(jobId);
  });
});
