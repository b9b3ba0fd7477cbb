// Measures a burst: backlog, visible delay, memory and loss over time, and draws them.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { burstPicture } from './bench/burst-picture';
import { describeEnvironment, INGESTION_SETTINGS } from './bench/environment';
import { type LiveFigures, liveTrial } from './bench/live-trial';
import { STANDARD_LOAD } from './bench/load-shape';
import { PROTOCOLS } from './bench/protocol';
import { writeReport } from './bench/report';
import { oneOf, runCommand, wholeNumber } from './command-line';

const USAGE = `Usage: npm run bench:burst [-- options]

  --rate N           events a second of the burst (15000)
  --seconds N        how long it lasts (900)
  --then N           events a second afterwards (3000)
  --then-seconds N   how long these come (300)
  --engine ENGINE    timescale or postgres (timescale)
  --protocol NAME    what the stream is read by: stream or amqp (stream)
  --write NAME       writes NAME.json and NAME.svg, for example docs/benchmarks/burst (nothing)
  --help             this text

Publisher, broker, database and service share the cores of this machine. Exit code 1 when an event was lost or doubled,
or the backlog was not gone when the time was over.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '15000' },
      seconds: { type: 'string', default: '900' },
      then: { type: 'string', default: '3000' },
      'then-seconds': { type: 'string', default: '300' },
      engine: { type: 'string', default: 'timescale' },
      protocol: { type: 'string', default: 'stream' },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const burst = { perSecond: wholeNumber('--rate', values.rate), seconds: wholeNumber('--seconds', values.seconds) };
  const rest = { perSecond: wholeNumber('--then', values.then), seconds: wholeNumber('--then-seconds', values['then-seconds']) };
  const engine = oneOf('--engine', values.engine, ['timescale', 'postgres'] as const);
  const protocol = oneOf('--protocol', values.protocol, PROTOCOLS);
  const figures = await liveTrial({ engine, protocol, phases: [burst, rest], log: (line) => console.error(line) });

  const title = `${burst.perSecond}/s for ${burst.seconds} s, then ${rest.perSecond}/s for ${rest.seconds} s, on ${engine}, read by ${protocol}`;
  console.log(`\n${describeEnvironment()}\n${figures.servers}`);
  console.log(`${title}\nload: ${JSON.stringify(STANDARD_LOAD)}\nPostgreSQL: ${JSON.stringify(INGESTION_SETTINGS)}\n`);
  console.table([summaryOf(figures)]);
  if (values.write !== undefined) {
    const settings = { load: STANDARD_LOAD, postgres: INGESTION_SETTINGS, phases: [burst, rest], engine, protocol };
    writeReport(values.write, { ...settings, ...figures });
    writeFileSync(`${values.write}.svg`, burstPicture(title, figures.samples));
  }
  const { confirmed, stored, identities, drainSeconds } = figures;
  if (stored !== confirmed || identities !== confirmed || drainSeconds > rest.seconds) process.exitCode = 1;
} // prettier-ignore

function summaryOf({ samples, confirmed, refused, stored, identities, visible, peakMemoryMb, drainSeconds }: LiveFigures) {
  return {
    confirmed,
    refused,
    lost: confirmed - identities,
    doubled: stored - identities,
    'largest backlog': Math.max(...samples.map(({ backlog }) => backlog)),
    'gone after, s': Number(drainSeconds.toFixed(1)),
    'visible p50, ms': Math.round(visible.p50),
    'p99, ms': Math.round(visible.p99),
    'longest, ms': Math.round(visible.longest),
    'peak memory, MB': Math.round(peakMemoryMb),
  };
} // prettier-ignore

runCommand(main);
