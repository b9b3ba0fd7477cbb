import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

/** RabbitMQ 3.10 loses a broker's first stream when it is killed within its first second. */
const STREAM_SETTLED_MS = 3_000;

export const killedPostgres: Cell = {
  name: 'killed-postgres',
  about: 'SIGKILL of PostgreSQL with all its sessions, and again while it is recovering from that.',
  recovery: 'from when PostgreSQL serves again until events sent then are stored',
  needsServers: true,
  async run(world) {
    world.router.flow(600);
    for (let time = 0; time < 2; time += 1) {
      await pause(700 + world.random() * 1_500);
      await world.servers.postgres.kill();
      await pause(world.random() * 2_000);
      await world.servers.postgres.restart();
      await world.recovered();
    }
  },
};

export const killedBackend: Cell = {
  name: 'killed-backend',
  about:
    'SIGKILL of the one PostgreSQL process that works for the replica that commits, in the middle of COPY: PostgreSQL then ends every session and recovers. Twice.',
  recovery: 'from the kill until events sent then are stored',
  needsServers: true,
  async run(world) {
    const { router, replicas, random } = world;
    router.flow(600);
    for (let time = 0; time < 2; time += 1) {
      await pause(500 + random() * 800);
      await Promise.race(
        replicas.map(({ killPoints }) =>
          killPoints.at('mid-copy', (backend) => void process.kill(backend, 'SIGKILL')),
        ),
      );
      for (const { killPoints } of replicas) killPoints.forget();
      await world.recovered();
    }
  },
};

export const killedRabbitmq: Cell = {
  name: 'killed-rabbitmq',
  about: 'SIGKILL of RabbitMQ while it confirms. Twice.',
  recovery: 'from when RabbitMQ serves again until events sent then are stored',
  needsServers: true,
  async run(world) {
    world.router.flow(600);
    await pause(STREAM_SETTLED_MS);
    for (let time = 0; time < 2; time += 1) {
      await pause(700 + world.random() * 1_500);
      await world.servers.rabbitmq.kill();
      await pause(world.random() * 2_000);
      await world.servers.rabbitmq.restart();
      await world.recovered();
    }
  },
};

export const restartedServers: Cell = {
  name: 'restarted-servers',
  about: 'PostgreSQL, RabbitMQ and Redis are restarted in order, one after the other, under a burst.',
  recovery: 'from when the server serves again until events sent then are stored',
  needsServers: true,
  async run(world) {
    const { router, servers } = world;
    router.flow(600);
    await pause(STREAM_SETTLED_MS);
    for (const server of [servers.postgres, servers.rabbitmq, servers.redis]) {
      router.burst(5_000);
      await pause(world.random() * 500);
      await server.restart();
      await world.recovered();
    }
  },
};
