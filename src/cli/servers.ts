// Starts private PostgreSQL, RabbitMQ and Redis and keeps them until Ctrl-C.
import { parseArgs } from 'node:util';
import { createDatabase } from './servers/create-database';
import { runCommand } from './command-line';
import { startServers } from './servers/start-servers';

const USAGE = `Usage: npm run servers [-- --help]

Starts PostgreSQL, RabbitMQ and Redis with data that is thrown away, prints the variables with which the service and the
tests use them, and ends them at Ctrl-C.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
  if (values.help) return void process.stdout.write(USAGE);
  const log = (line: string): void => console.error(line);
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const servers = await startServers({ postgres: true, rabbitmq: true, redis: true, log });
  try {
    log(`${servers.describe()}, until Ctrl-C.`);
    const superuserUrl = servers.timescaleAvailable ? servers.timescaleUrl : servers.databaseUrl;
    const forTheService = {
      DATABASE_URL: await createDatabase(superuserUrl, 'usage_analytics'),
      AMQP_URL: servers.amqpUrl,
      REDIS_URL: servers.redisUrl,
    };
    const forTheTests = {
      TEST_DATABASE_URL: servers.databaseUrl,
      TEST_AMQP_URL: servers.amqpUrl,
      TEST_AMQP_MANAGEMENT_URL: servers.rabbitmq.managementUrl,
      TEST_REDIS_URL: servers.redisUrl,
    };
    console.log(['# for the service', ...exportLines(forTheService)].join('\n'));
    console.log(['# for npm test, which then starts at once', ...exportLines(forTheTests)].join('\n'));
    // The servers alone do not keep this process.
    const alive = setInterval(() => undefined, 60_000);
    await interrupted;
    clearInterval(alive);
  } finally {
    await servers.stop();
  }
}

function exportLines(variables: Record<string, string>): string[] {
  return Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);
}

runCommand(main);
