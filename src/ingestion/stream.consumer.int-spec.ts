import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { connect } from 'amqplib';
import { eventually } from '../../test/support/eventually';
import { readinessOf, startIngestion } from '../../test/support/ingestion-service';
import { Producer } from '../../test/support/producer';
import { TcpProxy } from '../../test/support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { createTestVhost, type TestVhost } from '../../test/support/test-vhost';
import { usageEvent } from '../../test/support/usage-events';

describe('reading the stream', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let databaseProxy: TcpProxy;
  let brokerProxy: TcpProxy;
  let producer: Producer;
  const apps: INestApplicationContext[] = [];

  beforeEach(async () => {
    [database, vhost] = await Promise.all([createTestDatabase('postgres'), createTestVhost()]);
    databaseProxy = await TcpProxy.before(database.url);
    brokerProxy = await TcpProxy.before(vhost.url);
  });
  afterEach(async () => {
    await Promise.all([databaseProxy.heal(), brokerProxy.heal()]);
    await producer?.close();
    for (const app of apps.splice(0)) await app.close();
    await Promise.all([databaseProxy.close(), brokerProxy.close(), database.drop(), vhost.drop()]);
  });

  async function start(env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> {
    const app = await startIngestion({
      DATABASE_URL: databaseProxy.through(database.url),
      AMQP_URL: brokerProxy.through(vhost.url),
      INGEST_LEASE: '1s',
      INGEST_BATCH_MAX_WAIT: '50ms',
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
});
