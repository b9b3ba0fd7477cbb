import { eventually } from '../support/eventually';
import { Producer } from '../support/producer';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { startTrial, type TrialService } from '../support/trial-service';
import { usageEvent } from '../support/usage-events';

/** 1,200 messages of 3 kB through a stream that keeps 2 MB. */
describe('a replay of a stream that has dropped a part of it since it was asked for', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let service: TrialService;
  let producer: Producer;

  beforeEach(async () => {
    [database, vhost] = await Promise.all([createTestDatabase('postgres'), createTestVhost()]);
    service = await startTrial(database, {
      now: new Date(),
      settings: {
        AMQP_URL: vhost.url,
        SERVICE_ROLES: 'api,ingest',
        AMQP_STREAM_MAX_BYTES: '2MB',
        AMQP_STREAM_SEGMENT_BYTES: '500kB',
      },
    });
    producer = await Producer.whenDeclared(vhost.url);
  });
  afterEach(async () => {
    await producer?.close();
    await service?.close();
    await Promise.all([database?.drop(), vhost?.drop()]);
  });

  it('fails, and says which offsets cannot be read again', async () => {
    const large = () => usageEvent({ metadata: { padding: 'x'.repeat(3_000) } });
    for (let part = 0; part < 12; part += 1) await producer.publish(Array.from({ length: 100 }, large));
    await eventually(async () => {
      const { rows } = await database.pool.query('select from ingest_cursors where next_offset >= 1200');
      expect(rows).toHaveLength(1);
    });
    await database.pool.query(
      `insert into replay_requests (partition, incarnation, from_offset, to_offset, requested_by)
       select 0, 1, 0, next_offset, 'x' from ingest_cursors`,
    );
    const dropped =
      /^The stream has dropped its messages from offset 0 to [1-9]\d+: they cannot be read again\./;
    await eventually(async () => {
      const { body } = await service.send('GET', '/admin/replays');
      expect(body.replays[0]).toMatchObject({ state: 'failed', attempt: 1 });
      expect(body.replays[0].failure).toMatch(dropped);
    });
  });
});
