import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { connect } from 'amqplib';
import { eventually } from '../../test/support/eventually';
import { readinessOf, startIngestion } from '../../test/support/ingestion-service';
import { Producer } from '../../test/support/producer';
import { TcpProxy } from '../../test/support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { createTestVhost, type TestVhost } from '../../test/support/test-vhost';
import { streamBatch, usageEvent } from '../../test/support/usage-events';
import { Broker } from '../platform/messaging/broker';
import { UsageEventPublisher } from '../platform/messaging/usage-event-publisher';
import { RECREATION } from './partition-upkeep';

describe.each(['amqp', 'stream'] as const)('reading the stream over %s', (protocol) => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let databaseProxy: TcpProxy;
  let brokerProxy: TcpProxy;
  let streamProxy: TcpProxy;
  let producer: Producer;
  const apps: INestApplicationContext[] = [];
  let reads: NodeJS.ProcessEnv;

  beforeEach(async () => {
    [database, vhost] = await Promise.all([createTestDatabase('postgres'), createTestVhost()]);
    databaseProxy = await TcpProxy.before(database.url);
    brokerProxy = await TcpProxy.before(vhost.url);
    streamProxy = await TcpProxy.before(`amqp://127.0.0.1:${vhost.streamPort}`);
    reads = protocol === 'stream' ? { AMQP_STREAM_PORT: String(streamProxy.port) } : {};
  });
  afterEach(async () => {
    await Promise.all([databaseProxy.heal(), brokerProxy.heal(), streamProxy.heal()]);
    await producer?.close();
    for (const app of apps.splice(0)) {
      await app.close();
      // Of two applications in a process golevelup closes the connection of the one that came last.
      await app.get(Broker).consuming.close();
    }
    await Promise.all([databaseProxy.close(), brokerProxy.close(), streamProxy.close()]);
    await Promise.all([database.drop(), vhost.drop()]);
  });

  async function start(env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> {
    const app = await startIngestion({
      DATABASE_URL: databaseProxy.through(database.url),
      AMQP_URL: brokerProxy.through(vhost.url),
      INGEST_LEASE: '1s',
      INGEST_BATCH_MAX_WAIT: '50ms',
      ...reads,
      ...env,
    });
    apps.push(app);
    await reading(app);
    producer = await Producer.connect(vhost.url);
    return app;
  }

  function reading(app: INestApplicationContext): Promise<void> {
    return eventually(async () => expect(await readinessOf(app, 'ingestion')).toMatch(/^reads partition/));
  }

  async function rowsOf(query: string): Promise<Record<string, unknown>[]> {
    return (await database.pool.query<Record<string, unknown>>(query)).rows;
  }

  async function stored(count: number): Promise<void> {
    await eventually(async () =>
      expect(await rowsOf('select count(*)::integer as stored from usage_events')).toEqual([
        { stored: count },
      ]),
    );
  }

  it('stores what a router has published', async () => {
    await start();
    const event = usageEvent();
    await producer.publish([event]);
    await stored(1);
    expect(await rowsOf('select event_id, org_id from usage_events')).toEqual([
      { event_id: event.eventId, org_id: event.orgId },
    ]);
  });

  it('takes arrays and every CloudEvents mode', async () => {
    await start();
    const [bare, first, second, structured, binary] = Array.from({ length: 5 }, () => usageEvent());
    const cloud = { specversion: '1.0', id: '1', source: '/router', type: 'usage' };
    await producer.publish([bare, [first, second], [{ ...cloud, data: structured }]]);
    await producer.publish([binary], { 'cloudEvents:specversion': '1.0', 'cloudEvents:id': '1' });
    await stored(5);
  });

  it('shows a single event within the wait of its batch', async () => {
    await start({ INGEST_BATCH_MAX_WAIT: '100ms' });
    await producer.publish([usageEvent()]);
    await sleep(1_500);
    await producer.publish([usageEvent()]);
    await stored(2);
    // Neither waited for a full batch, nor the first for the second.
    expect(await rowsOf('select received from ingest_batches order by batch_id')).toEqual([
      { received: 1 },
      { received: 1 },
    ]);
  });

  it('quarantines poison with its offset and does not let it delay the others of its batch', async () => {
    await start();
    const late = usageEvent({ occurredAt: new Date(Date.now() - 8 * 86_400_000).toISOString() });
    await producer.publish([
      usageEvent(),
      Buffer.from('{"poison":'),
      { ...usageEvent(), latencyMs: -1 },
      late,
      usageEvent(),
    ]);
    await stored(2);
    expect(
      await rowsOf('select stream_offset, reason from quarantined_events order by stream_offset'),
    ).toEqual([
      { stream_offset: '1', reason: 'not_json' },
      { stream_offset: '2', reason: 'schema_violation' },
      { stream_offset: '3', reason: 'too_late' },
    ]);
  });

  it('stores each event once although its connections are cut again and again', async () => {
    await start();
    const publishing = (async () => {
      for (let part = 0; part < 40; part += 1) {
        await producer.publish(Array.from({ length: 100 }, () => usageEvent()));
        await sleep(20);
      }
    })();
    for (let cut = 0; cut < 5; cut += 1) {
      await sleep(300);
      if (cut % 2 === 0) databaseProxy.resetConnections();
      else (protocol === 'amqp' || cut === 1 ? brokerProxy : streamProxy).resetConnections();
    }
    await publishing;
    await stored(4_000);
    expect(await rowsOf('select sum(received)::integer as received, sum(duplicates)::integer as duplicates from ingest_batches')).toEqual([
      { received: 4_000, duplicates: 0 },
    ]); // prettier-ignore
  });

  it('stores a batch once whose commit was never answered, and reads on', async () => {
    const app = await start();
    await producer.publish([usageEvent()]);
    await stored(1);
    const unanswered = databaseProxy.swallowRepliesAfter('commit\0');
    await producer.publish(Array.from({ length: 10 }, () => usageEvent()));
    await unanswered;
    await stored(11);
    await databaseProxy.heal();
    // The second attempt finds the batch committed, and the partition is acquired again.
    await eventually(async () =>
      expect(await rowsOf('select epoch from ingest_cursors')).toEqual([{ epoch: '2' }]),
    );
    await reading(app);
    await producer.publish([usageEvent()]);
    await stored(12);
    expect(await rowsOf('select sum(received)::integer as received from ingest_batches')).toEqual([
      { received: 12 },
    ]);
  });

  it('keeps trying the same batch while the database is away, and says so', async () => {
    const app = await start();
    await producer.publish([usageEvent()]);
    await stored(1);
    await databaseProxy.cut();
    await producer.publish([usageEvent(), usageEvent()]);
    await eventually(async () =>
      expect(await readinessOf(app, 'ingestion')).toMatch(
        /^Partition 0 commits nothing: The database cannot take/,
      ),
    );
    await databaseProxy.heal();
    await stored(3);
    await reading(app);
    expect(await rowsOf('select count(*)::integer as quarantined from quarantined_events')).toEqual([
      { quarantined: 0 },
    ]);
  });

  if (protocol === 'stream')
    it('leaves the partition to another replica while it cannot read itself, and takes it back when it can', async () => {
      const cutOff = await start();
      const other = await startIngestion({
        DATABASE_URL: database.url,
        AMQP_URL: vhost.url,
        AMQP_STREAM_PORT: String(vhost.streamPort),
        INGEST_LEASE: '1s',
        INGEST_BATCH_MAX_WAIT: '50ms',
      });
      apps.push(other);
      await eventually(async () =>
        expect(await rowsOf(`select name from leases where name like 'ingestion/%'`)).toHaveLength(2),
      );
      await streamProxy.cut();
      await producer.publish([usageEvent()]);
      await stored(1);
      await reading(other);
      expect(await readinessOf(cutOff, 'ingestion')).toBe('owns no partition');
      await streamProxy.heal();
      await reading(cutOff);
      await producer.publish([usageEvent()]);
      await stored(2);
    });

  it('waits for a broker that is away at the start', async () => {
    await Promise.all([brokerProxy.cut(), streamProxy.cut()]);
    const app = await startIngestion({
      DATABASE_URL: database.url,
      AMQP_URL: brokerProxy.through(vhost.url),
      ...reads,
    });
    apps.push(app);
    expect(await readinessOf(app, 'broker')).toBe('RabbitMQ is away.');
    await Promise.all([brokerProxy.heal(), streamProxy.heal()]);
    await reading(app);
    producer = await Producer.connect(vhost.url);
    await producer.publish([usageEvent()]);
    await stored(1);
  });

  it('reads all of a stream whose messages are larger than the buffer allows', async () => {
    await start({ INGEST_BUFFER_BYTES: '300kB', MAX_MESSAGE_BYTES: '50kB', INGEST_BATCH_SIZE: '1000' });
    const large = () => usageEvent({ metadata: { padding: 'x'.repeat(4_000) } });
    await producer.publish(Array.from({ length: 600 }, large));
    await stored(600);
    await producer.publish(Array.from({ length: 600 }, () => usageEvent()));
    await stored(1_200);
  });

  it('tells that data is complete once nothing is left to read', async () => {
    await start();
    await producer.publish([usageEvent()]);
    await stored(1);
    const storedAt = await database.now();
    await eventually(async () => {
      const [cursor] = await rowsOf('select backlog, data_through from ingest_cursors');
      expect(cursor?.['backlog']).toBe('0');
      expect(Number(cursor?.['data_through'])).toBeGreaterThan(storedAt.getTime());
    });
  });

  it('ends its session and gives the partition up when it is stopped', async () => {
    const app = await start();
    await producer.publish([usageEvent()]);
    await stored(1);
    await app.close();
    apps.splice(0);
    expect(await rowsOf('select owner, next_offset from ingest_cursors')).toEqual([
      { owner: null, next_offset: '1' },
    ]);
    expect(await rowsOf(`select name from leases where name like 'ingestion/%'`)).toEqual([]);
  });

  it.each([
    ['of another kind', {}],
    ['of another kind with a limit', { 'x-queue-type': 'quorum', 'x-max-length-bytes': 1_000_000 }],
  ])('says in one sentence when the broker has a queue %s in its place', async (_, queue) => {
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await channel.assertQueue('analytics.usage.v1', { durable: true, arguments: queue });
    const app = await startIngestion({ DATABASE_URL: database.url, AMQP_URL: vhost.url });
    apps.push(app);
    const sentence =
      /^RabbitMQ has an exchange or queue of this service with other properties\..*RabbitMQ says: .*inequivalent arg/;
    await eventually(async () => expect(await readinessOf(app, 'broker')).toMatch(sentence));
    await channel.deleteQueue('analytics.usage.v1');
    await connection.close();
    await eventually(async () => expect(await readinessOf(app, 'broker')).toBe('connected'));
  });

  it.each<[string, Record<string, string | number>]>([
    ['other limits', { 'x-max-age': '3600s', 'x-max-length-bytes': 4_000_000, 'x-stream-max-segment-size-bytes': 1_000_000 }],
    ['no limits', {}],
  ])('takes a stream that was declared with %s as it is, and says so once', async (_, limits) => {
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    const queue = { durable: true, arguments: { 'x-queue-type': 'stream', ...limits } };
    await channel.assertQueue('analytics.usage.v1', queue);
    const warn = jest.spyOn(Logger.prototype, 'warn');
    const app = await start();
    expect(await readinessOf(app, 'broker')).toBe('connected');
    await app.get(UsageEventPublisher).publish(streamBatch([usageEvent()]).events.map(({ event }) => event));
    await producer.publish([usageEvent()]);
    await stored(2);
    const told = warn.mock.calls.filter(([, message]) => /declared with other limits/.test(String(message)));
    warn.mockRestore();
    const [age, bytes, segment] = ['x-max-age', 'x-max-length-bytes', 'x-stream-max-segment-size-bytes'] as const;
    const differing = {
      [age]: { declared: limits[age] ?? null, setting: '604800s' },
      [bytes]: { declared: limits[bytes] ?? null, setting: 50_000_000_000 },
      [segment]: { declared: limits[segment] ?? null, setting: 500_000_000 },
    };
    expect(told.map(([fields]) => fields)).toEqual([{ stream: 'analytics.usage.v1', limits: differing }]);
    await channel.assertQueue('analytics.usage.v1', queue);
    await connection.close();
  }); // prettier-ignore

  describe('that is not the one it was', () => {
    async function readTo(offset: number): Promise<void> {
      await start();
      await producer.publish(Array.from({ length: offset }, () => usageEvent()));
      await stored(offset);
      await apps.splice(0)[0]?.close();
    }

    /** What an operator does who deletes the stream and declares it again, with `messages` published since. */
    async function recreate(messages: number): Promise<void> {
      const connection = await connect(vhost.url);
      const channel = await connection.createChannel();
      await channel.deleteQueue('analytics.usage.v1');
      await channel.assertQueue('analytics.usage.v1', {
        durable: true,
        arguments: {
          'x-queue-type': 'stream',
          'x-max-age': '604800s',
          'x-max-length-bytes': 50_000_000_000,
          'x-stream-max-segment-size-bytes': 500_000_000,
        },
      });
      await channel.bindQueue('analytics.usage.v1', 'analytics.usage', 'usage.#');
      await connection.close();
      await producer.publish(Array.from({ length: messages }, () => usageEvent()));
    }

    async function isKnown(messages: number): Promise<void> {
      await eventually(async () => {
        expect(await rowsOf('select kind, incarnation, from_offset, to_offset from data_gaps')).toEqual([
          { kind: 'recreated', incarnation: 1, from_offset: '10', to_offset: null },
        ]);
      });
      await stored(10 + messages);
      await producer.publish([usageEvent()]);
      await stored(10 + messages + 1);
      expect(await rowsOf('select next_offset, incarnation from ingest_cursors')).toEqual([
        { next_offset: String(messages + 1), incarnation: 2 },
      ]);
    }

    afterEach(() => jest.restoreAllMocks());

    it.each([
      ['a longer one, by the message below the cursor', 30],
      ['a shorter one, because it ends below the cursor and stays as it is', 5],
    ])('knows %s; notes the gap and reads it from its start', async (_, messages) => {
      jest.replaceProperty(RECREATION, 'unchangedMs', 2_000);
      await readTo(10);
      await recreate(messages);
      await start();
      await isKnown(messages);
    });

    it('knows one that was empty by what is written to it after the last commit', async () => {
      jest.replaceProperty(RECREATION, 'clocksApartMs', 0);
      await readTo(10);
      await recreate(0);
      await start();
      await sleep(5_000);
      expect(await rowsOf('select kind from data_gaps')).toEqual([]);
      await producer.publish([usageEvent()]);
      await isKnown(1);
    });

    it('takes no quiet stream for another one', async () => {
      await readTo(10);
      const app = await start();
      await sleep(6_000);
      await reading(app);
      expect(await rowsOf('select kind from data_gaps')).toEqual([]);
      expect(await rowsOf('select next_offset, incarnation from ingest_cursors')).toEqual([
        { next_offset: '10', incarnation: 1 },
      ]);
    });
  });
});
