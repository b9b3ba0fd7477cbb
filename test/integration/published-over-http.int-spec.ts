import { randomUUID } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { streamsOf } from '../../src/platform/messaging/topology';
import { eventually } from '../support/eventually';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { startTrial, type TrialService } from '../support/trial-service';
import { usageEvent } from '../support/usage-events';

const PARTITIONS = 3;
const EVENTS = 60;

describe('events that come over HTTP, with several partitions', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let service: TrialService;
  let connection: ChannelModel;

  beforeAll(async () => {
    [database, vhost] = await Promise.all([createTestDatabase('postgres'), createTestVhost()]);
    const settings = { AMQP_URL: vhost.url, INGEST_PARTITIONS: String(PARTITIONS) };
    service = await startTrial(database, { settings });
    connection = await connect(vhost.url);
  });
  afterAll(async () => {
    await connection?.close();
    await service?.close();
    await vhost?.drop();
    await database?.drop();
  });

  it('are in one partition where the confirms of several cannot be believed, and shared out elsewhere', async () => {
    const events = Array.from({ length: EVENTS }, () => usageEvent({ orgId: randomUUID() }));
    await eventually(async () => {
      const { status } = await service.send('POST', '/events', events);
      expect(status).toBe(202);
    });
    const held = streamsOf(PARTITIONS).map(() => 0);
    const channel = await connection.createChannel();
    await channel.prefetch(EVENTS);
    for (const [partition, stream] of streamsOf(PARTITIONS).entries())
      await channel.consume(stream, () => (held[partition] = (held[partition] ?? 0) + 1), {
        arguments: { 'x-stream-offset': 'first' },
      });
    await eventually(() => expect(held.reduce((sum, each) => sum + each)).toBe(EVENTS));
    const version = String(connection.connection.serverProperties.version);
    const partitionsUsed = held.filter((each) => each > 0).length;
    expect(partitionsUsed > 1).toBe(Number.parseInt(version, 10) >= 4);
  });
});
