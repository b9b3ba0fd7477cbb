import { connect } from 'amqplib';
import Redis from 'ioredis';
import { describeEachEngine } from './engines';
import { createTestDatabase } from './test-database';
import { createTestRedis } from './test-redis';
import { createTestVhost } from './test-vhost';

describeEachEngine('a test database', (engine) => {
  it('is migrated, empty and apart from every other one', async () => {
    const [one, other] = await Promise.all([createTestDatabase(engine), createTestDatabase(engine)]);
    try {
      await one.pool.query('create table mine (n int)');
      const tables = await other.pool.query(
        `select to_regclass('mine') as mine, to_regclass('usage_events') as events, (select count(*) from usage_events) as stored`,
      );
      expect(tables.rows).toEqual([{ mine: null, events: 'usage_events', stored: '0' }]);
      const engines = await other.pool.query('select engine from storage_engine');
      expect(engines.rows).toEqual([{ engine }]);
    } finally {
      await Promise.all([one.drop(), other.drop()]);
    }
  });

  it('goes away with connections still open', async () => {
    const database = await createTestDatabase(engine);
    const other = await createTestDatabase(engine);
    const client = await database.pool.connect();
    client.on('error', () => undefined);
    await client.query('begin');
    client.release();
    await database.drop();
    const left = await other.pool.query('select datname from pg_database where datname = $1', [
      database.name,
    ]);
    expect(left.rows).toEqual([]);
    await other.drop();
  });
});

describe('a test vhost', () => {
  it('keeps what is declared in it from every other one, streams included', async () => {
    const [one, other] = await Promise.all([createTestVhost(), createTestVhost()]);
    const connection = await connect(one.url);
    const channel = await connection.createChannel();
    await channel.assertQueue('same-name', { durable: true, arguments: { 'x-queue-type': 'stream' } });
    await channel.assertExchange('by-hash', 'x-consistent-hash');
    await connection.close();

    const elsewhere = await connect(other.url);
    const unknown = await elsewhere.createChannel();
    unknown.on('error', () => undefined);
    await expect(unknown.checkQueue('same-name')).rejects.toThrow('NOT_FOUND');
    await elsewhere.close();

    await Promise.all([one.drop(), other.drop()]);
    await expect(connect(one.url)).rejects.toThrow();
  });
});

describe('a test Redis', () => {
  it('is empty and apart from every other one', async () => {
    const [one, other] = await Promise.all([createTestRedis(), createTestRedis()]);
    const [first, second] = [new Redis(one.url), new Redis(other.url)];
    await first.set('key', 'value');
    expect(await second.get('key')).toBeNull();
    await one.drop();
    expect(await first.get('key')).toBeNull();
    first.disconnect();
    second.disconnect();
  });
});
