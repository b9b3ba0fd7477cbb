import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { connect } from 'amqplib';
import { eventually } from '../../test/support/eventually';
import { readinessOf } from '../../test/support/ingestion-service';
import { PROTOCOLS, StreamTrial } from '../../test/support/stream-trial';
import { TcpProxy } from '../../test/support/tcp-proxy';
import { streamBatch, usageEvent } from '../../test/support/usage-events';
import { UsageEventPublisher } from '../platform/messaging/usage-event-publisher';

describe.each(PROTOCOLS)('reading the stream over %s', (protocol) => {
  let trial: StreamTrial;
  let databaseProxy: TcpProxy;
  let brokerProxy: TcpProxy;
  let streamProxy: TcpProxy;

  beforeEach(async () => {
    trial = await StreamTrial.begin(protocol);
    databaseProxy = await TcpProxy.before(trial.database.url);
    brokerProxy = await TcpProxy.before(trial.vhost.url);
    streamProxy = await TcpProxy.before(`amqp://127.0.0.1:${trial.vhost.streamPort}`);
  });
  afterEach(async () => {
    const proxies = [databaseProxy, brokerProxy, streamProxy];
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    await trial.end();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  /** What a replica is given that finds its servers behind the proxies. */
  const proxied = (): NodeJS.ProcessEnv => ({
    DATABASE_URL: databaseProxy.through(trial.database.url),
    AMQP_URL: brokerProxy.through(trial.vhost.url),
    ...(protocol === 'stream' ? { AMQP_STREAM_PORT: String(streamProxy.port) } : {}),
  });
  const start = (env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> =>
    trial.start({ ...proxied(), ...env });

  it('stores what a router has published', async () => {
    await start();
    const event = usageEvent();
    await trial.producer.publish([event]);
    await trial.stored(1);
    expect(await trial.rowsOf('select event_id, org_id from usage_events')).toEqual([
      { event_id: event.eventId, org_id: event.orgId },
    ]);
  });

  it('takes arrays and every CloudEvents mode', async () => {
    await start();
    const [bare, first, second, structured, binary] = Array.from({ length: 5 }, () => usageEvent());
    const cloud = { specversion: '1.0', id: '1', source: '/router', type: 'usage' };
    await trial.producer.publish([bare, [first, second], [{ ...cloud, data: structured }]]);
    await trial.producer.publish([binary], { 'cloudEvents:specversion': '1.0', 'cloudEvents:id': '1' });
    await trial.stored(5);
  });

  it('shows a single event within the wait of its batch', async () => {
    await start({ INGEST_BATCH_MAX_WAIT: '100ms' });
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
    await trial.producer.publish([usageEvent()]);
    await trial.stored(2);
    // Neither waited for a full batch, nor the first for the second.
    expect(await trial.rowsOf('select received from ingest_batches order by batch_id')).toEqual([
      { received: 1 },
      { received: 1 },
    ]);
  });

  it('quarantines poison with its offset and does not let it delay the others of its batch', async () => {
    await start();
    const late = usageEvent({ occurredAt: new Date(Date.now() - 8 * 86_400_000).toISOString() });
    await trial.producer.publish([
      usageEvent(),
      Buffer.from('{"poison":'),
      { ...usageEvent(), latencyMs: -1 },
      late,
      usageEvent(),
    ]);
    await trial.stored(2);
    expect(
      await trial.rowsOf('select stream_offset, reason from quarantined_events order by stream_offset'),
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
        await trial.producer.publish(Array.from({ length: 100 }, () => usageEvent()));
        await sleep(20);
      }
    })();
    for (let cut = 0; cut < 5; cut += 1) {
      await sleep(300);
      if (cut % 2 === 0) databaseProxy.resetConnections();
      else (protocol === 'amqp' || cut === 1 ? brokerProxy : streamProxy).resetConnections();
    }
    await publishing;
    await trial.stored(4_000);
    expect(await trial.rowsOf('select sum(received)::integer as received, sum(duplicates)::integer as duplicates from ingest_batches')).toEqual([
      { received: 4_000, duplicates: 0 },
    ]); // prettier-ignore
  });

  it('stores a batch once whose commit was never answered, and reads on', async () => {
    const app = await start();
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
    const unanswered = databaseProxy.swallowRepliesAfter('commit\0');
    await trial.producer.publish(Array.from({ length: 10 }, () => usageEvent()));
    await unanswered;
    await trial.stored(11);
    await databaseProxy.heal();
    // The second attempt finds the batch committed, and the partition is acquired again.
    await eventually(async () =>
      expect(await trial.rowsOf('select epoch from ingest_cursors')).toEqual([{ epoch: '2' }]),
    );
    await trial.reads(app);
    await trial.producer.publish([usageEvent()]);
    await trial.stored(12);
    expect(await trial.rowsOf('select sum(received)::integer as received from ingest_batches')).toEqual([
      { received: 12 },
    ]);
  });

  it('keeps trying the same batch while the database is away, and says so', async () => {
    const app = await start();
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
    await databaseProxy.cut();
    await trial.producer.publish([usageEvent(), usageEvent()]);
    await eventually(async () =>
      expect(await readinessOf(app, 'ingestion')).toMatch(
        /^Partition 0 commits nothing: The database cannot take/,
      ),
    );
    await databaseProxy.heal();
    await trial.stored(3);
    await trial.reads(app);
    expect(await trial.rowsOf('select count(*)::integer as quarantined from quarantined_events')).toEqual([
      { quarantined: 0 },
    ]);
  });

  if (protocol === 'stream')
    it('leaves the partition to another replica while it cannot read itself, and takes it back when it can', async () => {
      const cutOff = await start();
      const other = await trial.launch();
      await eventually(async () =>
        expect(await trial.rowsOf(`select name from leases where name like 'ingestion/%'`)).toHaveLength(2),
      );
      await streamProxy.cut();
      await trial.producer.publish([usageEvent()]);
      await trial.stored(1);
      await trial.reads(other);
      expect(await readinessOf(cutOff, 'ingestion')).toBe('owns no partition');
      await streamProxy.heal();
      await trial.reads(cutOff);
      await trial.producer.publish([usageEvent()]);
      await trial.stored(2);
    });

  it('waits for a broker that is away at the start', async () => {
    await Promise.all([brokerProxy.cut(), streamProxy.cut()]);
    const app = await trial.launch({ ...proxied(), DATABASE_URL: trial.database.url });
    expect(await readinessOf(app, 'broker')).toBe('RabbitMQ is away.');
    await Promise.all([brokerProxy.heal(), streamProxy.heal()]);
    await trial.reads(app);
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
  });

  it('reads all of a stream whose messages are larger than the buffer allows', async () => {
    await start({ INGEST_BUFFER_BYTES: '300kB', MAX_MESSAGE_BYTES: '50kB', INGEST_BATCH_SIZE: '1000' });
    const large = () => usageEvent({ metadata: { padding: 'x'.repeat(4_000) } });
    await trial.producer.publish(Array.from({ length: 600 }, large));
    await trial.stored(600);
    await trial.producer.publish(Array.from({ length: 600 }, () => usageEvent()));
    await trial.stored(1_200);
  });

  it('tells that data is complete once nothing is left to read', async () => {
    await start();
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
    const storedAt = await trial.database.now();
    await eventually(async () => {
      const [cursor] = await trial.rowsOf('select backlog, data_through from ingest_cursors');
      expect(cursor?.['backlog']).toBe('0');
      expect(Number(cursor?.['data_through'])).toBeGreaterThan(storedAt.getTime());
    });
  });

  it('ends its session and gives the partition up when it is stopped', async () => {
    const app = await start();
    await trial.producer.publish([usageEvent()]);
    await trial.stored(1);
    await app.close();
    trial.replicas.splice(0);
    expect(await trial.rowsOf('select owner, next_offset from ingest_cursors')).toEqual([
      { owner: null, next_offset: '1' },
    ]);
    expect(await trial.rowsOf(`select name from leases where name like 'ingestion/%'`)).toEqual([]);
  });

  it.each([
    ['of another kind', {}],
    ['of another kind with a limit', { 'x-queue-type': 'quorum', 'x-max-length-bytes': 1_000_000 }],
  ])('says in one sentence when the broker has a queue %s in its place', async (_, queue) => {
    const connection = await connect(trial.vhost.url);
    const channel = await connection.createChannel();
    await channel.assertQueue('analytics.usage.v1', { durable: true, arguments: queue });
    const app = await trial.launch();
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
    const connection = await connect(trial.vhost.url);
    const channel = await connection.createChannel();
    const queue = { durable: true, arguments: { 'x-queue-type': 'stream', ...limits } };
    await channel.assertQueue('analytics.usage.v1', queue);
    const warn = jest.spyOn(Logger.prototype, 'warn');
    const app = await start();
    expect(await readinessOf(app, 'broker')).toBe('connected');
    await app.get(UsageEventPublisher).publish(streamBatch([usageEvent()]).events.map(({ event }) => event));
    await trial.producer.publish([usageEvent()]);
    await trial.stored(2);
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
});
