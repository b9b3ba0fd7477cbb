// Publishes made-up events to AMQP_URL at a steady pace, for a system to look at.
import { parseArgs } from 'node:util';
import { LARGEST_ORG } from './bench/read-dataset';
import { PacedPublisher } from './bench/paced-publisher';
import { STANDARD_LOAD } from './bench/load-shape';
import { runCommand, wholeNumber } from './command-line';
import { loadConfig } from '../platform/config/config';

const USAGE = `Usage: npm run feed -- [options]

  --rate N      events a second (50)
  --orgs N      organisations that they are of (20)
  --seconds N   ends after this long (never)
  --help        this text

AMQP_URL names the broker, in which the service has declared its exchanges. Ctrl-C ends it.
`;
const FOREVER_SECONDS = 10 * 365 * 86_400;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '50' },
      orgs: { type: 'string', default: '20' },
      seconds: { type: 'string', default: String(FOREVER_SECONDS) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const rate = wholeNumber('--rate', values.rate);
  const orgs = wholeNumber('--orgs', values.orgs);
  const seconds = wholeNumber('--seconds', values.seconds);
  const { amqpUrl } = loadConfig({ AMQP_URL: process.env['AMQP_URL'], NODE_ENV: 'development' });
  if (amqpUrl === null) throw new Error('AMQP_URL must name the broker.');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const shape = { ...STANDARD_LOAD, orgs, seed: Date.now() % 2 ** 31 };
  const publisher = await PacedPublisher.connect(amqpUrl, shape, LARGEST_ORG);
  await publisher.run(rate, seconds, stopping.signal);
  await publisher.close();
  console.error(`Published ${publisher.confirmed} events.`);
}

runCommand(main);
