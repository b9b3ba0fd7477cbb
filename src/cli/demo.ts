// Starts the service with a feed of usage events and prints what it answers.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { feedOverBroker, feedOverHttp } from './demo/feed';
import { wholeNumber } from './command-line';
import { DemoApi, type Report } from './demo/demo-api';
import { formatReport } from './demo/format-report';
import { generate, readTrace } from './demo/usage-source';
import { developmentToken } from './development-token';
import { ServiceProcess } from './service-process';
import { createDatabase } from './servers/create-database';
import { startServers } from './servers/start-servers';

const USAGE = `Usage: npm run demo [-- options]

  --once          end after the table
  --trace FILE    replay a trace with the columns TIMESTAMP, ContextTokens and GeneratedTokens, moved to end now
  --events N      how many events to generate without a trace (20000)
  --seed N        seed of whatever is drawn (1)
  --full          real RabbitMQ, Redis and, where this machine has it, TimescaleDB
  --port N        port of the service (3000)
  --help          this text

Without --full the service brings its own PostgreSQL and needs nothing but Node.js; its data stays in .data/demo.
`;

const CURRENCY = 'USD';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      trace: { type: 'string' },
      events: { type: 'string', default: '20000' },
      seed: { type: 'string', default: '1' },
      full: { type: 'boolean', default: false },
      port: { type: 'string', default: '3000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const count = wholeNumber('--events', values.events);
  const seed = wholeNumber('--seed', values.seed);

  // A new organisation each time, so that the table shows this feed and no earlier one.
  const orgId = randomUUID();
  const endsAt = Date.now();
  const source = values.trace
    ? readTrace(resolve(values.trace), orgId, endsAt, seed)
    : generate(count, orgId, endsAt, seed);

  const dataDir = resolve('.data', 'demo');
  mkdirSync(dataDir, { recursive: true });
  const log = (line: string): void => console.error(line);
  const servers = values.full
    ? await startServers({ postgres: true, rabbitmq: true, redis: true, log })
    : undefined;
  if (servers) log(`Started ${servers.describe()}`);
  let service: ServiceProcess | undefined;
  const end = async (): Promise<void> => {
    await service?.stop();
    await servers?.stop();
  };
  const interrupted = new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  try {
    service = await ServiceProcess.start(
      {
        NODE_ENV: 'development',
        PORT: values.port,
        DATA_DIR: dataDir,
        CURRENCY,
        // The feed is of the past hour: hours before the current one arrive late, and are answered once refreshed.
        ROLLUP_REFRESH_INTERVAL: '2s',
        ...(servers && {
          DATABASE_URL: await createDatabase(
            servers.timescaleAvailable ? servers.timescaleUrl : servers.databaseUrl,
            'usage_analytics',
          ),
          AMQP_URL: servers.amqpUrl,
          REDIS_URL: servers.redisUrl,
        }),
      },
      join(dataDir, 'service.log'),
    );
    log(`Starting the service; its log is ${service.logFile}`);
    await service.ready();
    const token = await developmentToken({ dataDir, role: 'platform-admin', orgId: null });
    log(`Feeding ${source.description} for the organisation ${orgId}`);
    if (servers) await feedOverBroker(servers.amqpUrl, source.events);
    else await feedOverHttp(service.url, token, source.events);

    const start = source.events[0]?.occurredAt ?? new Date(endsAt).toISOString();
    const api = new DemoApi(service.url, token, orgId, start, new Date(endsAt + 1).toISOString());
    console.log(`\n${formatReport(await reportOnce(api, source.events.length), CURRENCY)}\n`);
    console.log(api.curlLines());
    if (values.once) return;
    console.log('\nServing until Ctrl-C.');
    await Promise.race([interrupted, service.ended()]);
  } finally {
    await end();
  }
}

/** Asks until all events are visible, for at most a minute; the report is the service's answer either way. */
async function reportOnce(api: DemoApi, expected: number): Promise<Report> {
  for (let attempt = 0; attempt < 300 && (await api.requests()) < expected; attempt += 1) await sleep(200);
  return api.report();
}

main().then(
  // Open keep-alive sockets must not hold up the end.
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
