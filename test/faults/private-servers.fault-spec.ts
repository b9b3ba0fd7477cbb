import { connect } from 'amqplib';
import { Client } from 'pg';
import Redis from 'ioredis';
import type { RunningServer } from '../../src/cli/servers/running-server';
import type { Servers } from '../../src/cli/servers/servers';
import { pause } from '../../src/cli/servers/server-program';
import { startServers } from '../../src/cli/servers/start-servers';
import { isAlive, processTree } from '../../src/cli/servers/process-tree';

describe('servers that a fault test has for itself', () => {
  let servers: Servers;

  beforeAll(async () => {
    const log = (): void => undefined;
    servers = await startServers({ postgres: true, rabbitmq: true, redis: true, private: true, log });
  });
  afterAll(() => servers?.stop());

  async function killed(server: RunningServer): Promise<void> {
    const processes = processTree(server.pid as number);
    await server.kill('SIGKILL');
    expect(processes.filter(isAlive)).toEqual([]);
    expect(server.pid).toBeUndefined();
  }

  it('kills PostgreSQL with all its sessions and brings it back with what was committed', async () => {
    const client = new Client(servers.databaseUrl);
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create table committed as select 1 as n');
    await client.query('checkpoint'); // It runs without fsync; only the kernel's memory survives a kill anyway.
    const busy = client.query('select pg_sleep(600)').then(
      () => 'answered',
      () => 'failed',
    );
    await killed(servers.postgres);
    expect(await busy).toBe('failed');

    await servers.postgres.restart();
    const again = new Client(servers.databaseUrl);
    await again.connect();
    expect((await again.query('select n from committed')).rows).toEqual([{ n: 1 }]);
    await again.end();
  });

  it('kills RabbitMQ and brings it back with what was confirmed', async () => {
    const before = await connect(servers.amqpUrl);
    before.on('error', () => undefined);
    const channel = await before.createConfirmChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'stream' } });
    channel.sendToQueue('kept', Buffer.from('confirmed'), { persistent: true });
    await channel.waitForConfirms();
    await pause(3_000); // RabbitMQ 3.10 loses a broker's first stream when killed within its first second.
    await killed(servers.rabbitmq);

    await servers.rabbitmq.restart();
    expect(await firstOf('kept', servers.amqpUrl)).toBe('confirmed');
  });

  it('freezes Redis and lets it go on', async () => {
    const redis = new Redis(servers.redisUrl);
    await redis.set('key', 'value');
    await servers.redis.kill('SIGSTOP');
    let answered = false;
    const answer = redis.get('key').then((value) => {
      answered = true;
      return value;
    });
    await pause(300);
    expect(answered).toBe(false);
    await servers.redis.kill('SIGCONT');
    expect(await answer).toBe('value');
    redis.disconnect();
  });

  it('restarts a server that still runs', async () => {
    const before = servers.redis.pid;
    await servers.redis.restart();
    expect(servers.redis.pid).toEqual(expect.any(Number));
    expect(servers.redis.pid).not.toBe(before);
  });
});

/** Reads a stream from its beginning; after a kill RabbitMQ serves clients before it has found its streams again. */
async function firstOf(stream: string, url: string): Promise<string> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      return await consumeOne(stream, url);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(200);
    }
  }
}

async function consumeOne(stream: string, url: string): Promise<string> {
  const connection = await connect(url);
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(1);
    return await new Promise<string>((resolve, reject) => {
      channel
        .consume(stream, (message) => resolve(message?.content.toString() ?? 'cancelled'), {
          arguments: { 'x-stream-offset': 'first' },
        })
        .catch(reject);
    });
  } finally {
    await connection.close();
  }
}
