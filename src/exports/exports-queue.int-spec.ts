import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { randomEvents } from '../../test/support/counted-events';
import { eventually } from '../../test/support/eventually';
import { type Exporting, startExporting } from '../../test/support/exporting';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { createTestVhost, type TestVhost } from '../../test/support/test-vhost';
import { freePort } from '../cli/servers/free-port';
import { CONTROL_EXCHANGE, DEAD_LETTERS, EXPORTS_REQUESTED } from '../platform/messaging/topology';
import { DAY_MS } from '../shared/time-zone';
import type { ArtifactStore } from './artifacts/artifact-store';

const ORG = 'a0000000-0000-4000-8000-00000000000a';

describe('export requests', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let exporting: Exporting | undefined;

  beforeAll(async () => {
    const [from, to] = [Date.now() - 5 * DAY_MS, Date.now()];
    const events = randomEvents({
      orgIds: [ORG],
      models: ['m'],
      clients: ['c'],
      count: 100,
      from,
      to,
      seed: 1,
    });
    database = await rolledUpDatabase('postgres', events, new Date(to));
    vhost = await createTestVhost();
  });
  afterEach(async () => {
    await exporting?.close();
    exporting = undefined;
  });
  afterAll(async () => {
    await Promise.all([database?.drop(), vhost?.drop()]);
  });

  const body = { window: { start: 'now-2d', end: 'now' }, granularity: 'hourly' };

  async function request(): Promise<string> {
    const answer = await exporting?.send('POST', `/orgs/${ORG}/exports`, { body });
    expect(answer?.status).toBe(202);
    return answer?.body.jobId as string;
  }

  const stateOf = async (jobId: string): Promise<string> =>
    (await exporting?.send('GET', `/orgs/${ORG}/exports/${jobId}`))?.body.state as string;

  it('go through the quorum queue, sooner than any worker looks into the database', async () => {
    exporting = await startExporting(database, { env: { AMQP_URL: vhost.url, SERVICE_ROLES: 'api,worker' } });
    await eventually(async () => {
      const jobId = await request();
      // Workers look for jobs every five seconds.
      await eventually(async () => expect(await stateOf(jobId)).toBe('succeeded'), 1_500);
    });
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await eventually(async () => {
      const { messageCount } = await channel.checkQueue(EXPORTS_REQUESTED);
      expect(messageCount).toBe(0);
    });
    await connection.close();
  });

  it('that name no export become dead letters, and those of unknown or finished exports do no harm', async () => {
    exporting = await startExporting(database, { env: { AMQP_URL: vhost.url, SERVICE_ROLES: 'api,worker' } });
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await eventually(() => channel.checkQueue(EXPORTS_REQUESTED)).catch(() => undefined);
    const finished = await request();
    await eventually(async () => expect(await stateOf(finished)).toBe('succeeded'));
    for (const message of [{ jobId: '../x' }, 'x', { jobId: randomUUID() }, { jobId: finished }]) {
      channel.publish(CONTROL_EXCHANGE, EXPORTS_REQUESTED, Buffer.from(JSON.stringify(message)));
    }
    await eventually(async () => {
      expect((await channel.checkQueue(EXPORTS_REQUESTED)).messageCount).toBe(0);
      expect((await channel.checkQueue(DEAD_LETTERS)).messageCount).toBe(2);
    });
    const next = await request();
    await eventually(async () => expect(await stateOf(next)).toBe('succeeded'));
    await connection.close();
  });

  it('are found in the database while the broker is away, by a service that started without it', async () => {
    const away = `amqp://127.0.0.1:${await freePort()}`;
    exporting = await startExporting(database, { env: { AMQP_URL: away, SERVICE_ROLES: 'api,worker' } });
    const jobId = await request();
    await eventually(async () => expect(await stateOf(jobId)).toBe('succeeded'), 12_000);
  });

  it('are begun by the process that was asked where there is no broker', async () => {
    exporting = await startExporting(database, { env: { SERVICE_ROLES: 'api,worker' } });
    await eventually(async () => {
      const jobId = await request();
      await eventually(async () => expect(await stateOf(jobId)).toBe('succeeded'), 1_500);
    });
  });

  it('that no message announces are written EXPORT_CONCURRENCY at a time', async () => {
    await database.pool.query('delete from export_jobs');
    exporting = await startExporting(database);
    const ids = [await request(), await request(), await request()];
    await exporting.close();
    const store: Partial<ArtifactStore> = {
      put: (_key, _content, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      deleteFolder: async () => undefined,
      abortUnfinishedBefore: async () => 0,
    };
    const env = { SERVICE_ROLES: 'api,worker', EXPORT_CONCURRENCY: '2', EXPORT_MAX_CONCURRENT_PER_ORG: '3' };
    exporting = await startExporting(database, { store: store as ArtifactStore, env });
    await eventually(async () => {
      const states = await Promise.all(ids.map(stateOf));
      expect(states.sort()).toEqual(['pending', 'running', 'running']);
    });
  });

  it('that were being written when the process was stopped are given back at once, and written by the next', async () => {
    const store: Partial<ArtifactStore> = {
      put: (_key, _content, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      deleteFolder: async () => undefined,
    };
    exporting = await startExporting(database, { store: store as ArtifactStore });
    const jobId = await request();
    const writing = exporting.worker.work(jobId);
    await eventually(async () => expect(await stateOf(jobId)).toBe('running'));
    await exporting.close();
    await writing;
    const { rows } = await database.pool.query('select state, failures from export_jobs where job_id = $1', [
      jobId,
    ]);
    expect(rows).toEqual([{ state: 'pending', failures: 0 }]);
    exporting = await startExporting(database, { env: { SERVICE_ROLES: 'api,worker' } });
    await eventually(async () => expect(await stateOf(jobId)).toBe('succeeded'));
  });
});
