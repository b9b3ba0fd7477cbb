import Redis from 'ioredis';
import { Client } from 'pg';
import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import type { World } from '../world';

export const slowDatabase: Cell = {
  name: 'slow-database',
  about:
    'Every piece of data to and from PostgreSQL takes 30 ms longer and at most 300 kB/s pass, for 10 s under a burst.',
  recovery: 'from the healing until events sent then are stored, the backlog included',
  async run(world) {
    world.router.flow(500);
    for (const proxy of world.edges('database')) {
      proxy.delay(30);
      proxy.throttle(300_000);
    }
    await pause(10_000);
    for (const proxy of world.edges('database')) await proxy.heal();
    await world.recovered();
  },
};

export const diskAlarm: Cell = {
  name: 'broker-disk-alarm',
  about: 'RabbitMQ raises its disk alarm and blocks all that publish, for 8 s.',
  recovery: 'from the end of the alarm until events sent then are stored',
  needsServers: true,
  async run(world) {
    const { rabbitmqctl } = world.servers;
    world.router.flow(500);
    await pause(1_500);
    await rabbitmqctl('set_disk_free_limit', '1000000GB');
    await pause(8_000);
    await rabbitmqctl('set_disk_free_limit', '50MB');
    await world.recovered();
  },
};

export const exhaustedConnections: Cell = {
  name: 'exhausted-connections',
  about: 'Others take every connection of PostgreSQL and the sessions of the service are ended, for 6 s.',
  recovery: 'from when the connections are free again until events sent then are stored',
  needsServers: true,
  async run(world) {
    world.router.flow(800);
    await pause(1_000);
    const greedy: Client[] = [];
    const take = async (): Promise<void> => {
      for (;;) {
        const client = new Client({ connectionString: world.database.url, application_name: 'greedy' });
        client.on('error', () => undefined);
        try {
          await client.connect();
        } catch {
          return;
        }
        greedy.push(client);
      }
    };
    await Promise.all(Array.from({ length: 10 }, take));
    await greedy[0]?.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'usage-analytics%'`,
    );
    // Whoever is faster takes what was just given up.
    const until = Date.now() + 6_000;
    while (Date.now() < until) {
      await take();
      await pause(50);
    }
    await Promise.all(greedy.map((client) => client.end()));
    await world.recovered();
  },
};

async function onRedis(world: World, work: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(world.servers.redisUrl);
  try {
    await work(redis);
  } finally {
    redis.disconnect();
  }
}

export const poorRedis: Cell = {
  name: 'redis-flushed-full-gone',
  about: 'Redis is flushed ten times, then takes no writes because it is full, then is killed for 5 s.',
  recovery: 'from when Redis is back until events sent then are stored; none of it needs Redis',
  needsServers: true,
  async run(world) {
    world.router.flow(500);
    for (let time = 0; time < 10; time += 1) {
      await onRedis(world, (redis) => redis.flushall());
      await pause(300);
    }
    await onRedis(world, async (redis) => {
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      await redis.config('SET', 'maxmemory', '1');
    });
    await pause(4_000);
    await world.servers.redis.kill();
    await pause(5_000);
    await world.servers.redis.restart();
    await world.recovered();
  },
};
