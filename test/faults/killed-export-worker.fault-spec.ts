import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceProcess } from '../../src/cli/service-process';
import type { Manifest } from '../../src/exports/writing/manifest';
import { csvRows } from '../support/csv';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { MANY_EVENTS, MANY_EVENTS_OF, MANY_EVENTS_WINDOW, manyEvents } from '../support/many-events';
import { S3_BUCKET, S3_CREDENTIALS, startTestS3, type TestS3 } from '../support/s3-server';
import type { TestDatabase } from '../support/test-database';

const SECRET = 'k'.repeat(43);
const API_KEYS = JSON.stringify([
  {
    id: 'exporter',
    sha256: createHash('sha256').update(SECRET).digest('hex'),
    orgId: null,
    roles: ['platform-admin'],
  },
]);
/** A file takes some seven seconds at this rate, so that its worker is in the middle of it for long. */
const SLOW = 3_000_000;

describeEachEngine('an export whose worker', (engine) => {
  let database: TestDatabase;
  let s3: TestS3;
  let directory: string;
  const services: ServiceProcess[] = [];

  beforeAll(async () => {
    [database, s3] = await Promise.all([manyEvents(engine), startTestS3()]);
    directory = mkdtempSync(join(tmpdir(), 'killed-export-worker-'));
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.kill()));
    s3.proxy.heal();
    s3.proxy.complaints.length = 0;
    s3.proxy.uploads.clear();
    await database.pool.query('delete from export_jobs');
  });
  afterAll(async () => {
    await Promise.allSettled([database?.drop(), s3?.stop()]);
    rmSync(directory, { recursive: true });
  });

  async function start(): Promise<ServiceProcess> {
    const service = await ServiceProcess.start(
      {
        NODE_ENV: 'development',
        DATA_DIR: directory,
        DATABASE_URL: database.url,
        STORAGE_ENGINE: engine,
        SERVICE_ROLES: 'api,worker',
        LOG_LEVEL: 'warn',
        API_KEYS,
        EXPORT_LEASE: '2s',
        S3_BUCKET,
        S3_ENDPOINT: s3.proxy.endpoint,
        S3_FORCE_PATH_STYLE: 'true',
        S3_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
      },
      join(directory, 'service.log'),
    );
    services.push(service);
    await service.ready();
    return service;
  }

  async function ask(service: ServiceProcess, path: string, body?: object): Promise<Response> {
    return fetch(`${service.url}/analytics/v1/orgs/${MANY_EVENTS_OF}/exports${path}`, {
      headers: { 'x-api-key': `ak_exporter_${SECRET}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
  }

  /** A job that `service` is in the middle of: parts of its file are with the store, and more are to come. */
  async function inTheMiddle(service: ServiceProcess): Promise<string> {
    s3.proxy.bytesPerSecond = SLOW;
    const answer = await ask(service, '', { window: MANY_EVENTS_WINDOW, granularity: 'events' });
    expect(answer.status).toBe(202);
    const { jobId } = (await answer.json()) as { jobId: string };
    const before = s3.proxy.count('UploadPart');
    await eventually(() => expect(s3.proxy.count('UploadPart')).toBeGreaterThan(before), 60_000);
    return jobId;
  }

  async function finished(
    service: ServiceProcess,
    jobId: string,
  ): Promise<{ state: string; attempt: number }> {
    return eventually(async () => {
      // Nothing but whole objects, at any time.
      const seen = (await s3.keys()).filter((key) => key.includes(jobId));
      expect(seen.every((key) => key.includes(`${jobId}/2/`))).toBe(true);
      const job = (await (await ask(service, `/${jobId}`)).json()) as { state: string; attempt: number };
      expect(['pending', 'running', 'succeeded']).toContain(job.state);
      expect(job.state).toBe('succeeded');
      return job;
    }, 90_000);
  }

  async function expectWhole(service: ServiceProcess, jobId: string): Promise<void> {
    const manifest = (await (await ask(service, `/${jobId}/manifest`)).json()) as Manifest;
    const bytes = Buffer.from(await (await ask(service, `/${jobId}/download`)).arrayBuffer());
    expect(bytes.length).toBe(manifest.file.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(manifest.file.sha256);
    expect(new Set(csvRows(bytes.toString()).map(({ eventId }) => eventId)).size).toBe(MANY_EVENTS);
    expect(manifest.attempt).toBe(2);
    expect(s3.proxy.complaints).toEqual([]);
  }

  it('is killed in the middle of the file is finished by another, and no half of it is ever seen', async () => {
    const first = await start();
    const jobId = await inTheMiddle(first);
    await first.kill();
    s3.proxy.heal();
    const second = await start();
    expect((await finished(second, jobId)).attempt).toBe(2);
    await expectWhole(second, jobId);
    const [left] = [...s3.proxy.uploads.values()].filter(({ key }) => key.includes(`${jobId}/1/`));
    expect(left?.aborted).toBe(true);
  });

  it('is frozen in the middle of the file is finished by another, and harms nothing when it wakes up', async () => {
    const first = await start();
    const jobId = await inTheMiddle(first);
    process.kill(first.pid, 'SIGSTOP');
    s3.proxy.heal();
    const second = await start();
    expect((await finished(second, jobId)).attempt).toBe(2);
    const keys = await s3.keys();
    process.kill(first.pid, 'SIGCONT');
    // It finds out, clears away what is its own, and works on.
    await sleep(5_000);
    expect((await fetch(`${first.url}/healthz/live`)).status).toBe(200);
    expect((await finished(second, jobId)).attempt).toBe(2);
    expect((await s3.keys()).sort()).toEqual(keys.sort());
    await expectWhole(second, jobId);
  });
});
