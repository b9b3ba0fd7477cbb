// Starts private PostgreSQL, RabbitMQ and Redis and keeps them until Ctrl-C.
import { startServers } from './servers/start-servers';

async function main(): Promise<void> {
  const log = (line: string): void => console.error(line);
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const servers = await startServers({ postgres: true, rabbitmq: true, redis: true, log });
  log(`${servers.describe()} until Ctrl-C`);
  console.log(`export DATABASE_URL=${servers.databaseUrl}`);
  console.log(`export AMQP_URL=${servers.amqpUrl}`);
  console.log(`export REDIS_URL=${servers.redisUrl}`);
  const alive = setInterval(() => undefined, 60_000);
  await ended;
  clearInterval(alive);
  await servers.stop();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
