// Reconciles events, rollups, ledger and quarantine, and names every difference.
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { describeDifference, describeLayer } from '../certificates/incomplete-reasons';
import { type Verification, verify } from '../certificates/verification';
import { loadConfig } from '../platform/config/config';
import { SESSION_OPTIONS } from '../platform/database/pools';
import { INSTANT_FORMS, parseInstant } from '../shared/time-window';
import { TimeZone } from '../shared/time-zone';
import { UUID } from '../shared/uuid';
import { runCommand, UsageError, wholeNumber } from './command-line';
import { openDatabase } from './open-database';

const USAGE = `Usage: npm run verify [-- options]

  --start TIME   from here on, snapped to hours (default: everything that is kept)
  --end TIME     up to here (now)
  --org UUID     one organisation (all)
  --list N       differences to name per layer (100)
  --json         the findings as JSON
  --help         this text

TIME is ${INSTANT_FORMS}, in UTC.
Reads the database of DATABASE_URL, or the embedded one of DATA_DIR, and changes nothing. Exit code 0: all layers
agree. 1: a layer differs, or the verification failed. 2: the options are wrong. 3: all layers agree, and a gap of the
stream or a conflict waits for a review.
`;

const DIFFERS = 1;
const UNREVIEWED = 3;

async function main(): Promise<void> {
  const { help, json, org, start, end, list } = parse();
  if (help) return void process.stdout.write(USAGE);
  const config = loadConfig({ ...process.env, NODE_ENV: 'development' });
  const database = await openDatabase(config);
  const pool = new Pool({ connectionString: database.url, options: SESSION_OPTIONS, max: 1 });
  // A connection that is lost between two statements: the next one says so.
  pool.on('error', () => undefined);
  try {
    const { retentionHourly, lateHorizon } = config;
    const options = { now: new Date(), orgId: org, start, end, retentionHourly, lateHorizon, listed: list };
    const verification = await verify(pool, options);
    console.log(json ? JSON.stringify(verification, null, 2) : describe(verification));
    process.exitCode = exitCodeOf(verification);
  } finally {
    await pool.end();
    await database.stop();
  }
}

function exitCodeOf({ differing, openGaps, unreviewedConflicts }: Verification): number {
  if (differing > 0) return DIFFERS;
  return openGaps.length > 0 || unreviewedConflicts.length > 0 ? UNREVIEWED : 0;
}

function describe({ window, layers, differing, openGaps, unreviewedConflicts }: Verification): string {
  if (window === null) return 'There is nothing to verify.';
  const lines = [`From ${iso(window.start)} to ${iso(window.end)}:`];
  for (const layer of layers) {
    const { relation, against, found, awaiting, differences } = layer;
    const waiting = awaiting > 0 ? `, ${awaiting} rows await the refresh of late events` : '';
    if (layer.differing === 0) {
      lines.push(`  ${relation} agrees with ${against}: ${found.requests} requests${waiting}`);
      continue;
    }
    lines.push(`  ${describeLayer({ ...layer, differences: [] })}${waiting}:`);
    for (const difference of differences) {
      lines.push(`    org ${difference.orgId} ${describeDifference(difference)}`);
    }
    if (layer.differing > differences.length)
      lines.push(`    and ${layer.differing - differences.length} more`);
  }
  for (const { partition, kind, fromOffset, toOffset, dataFrom, dataThrough, gapId } of openGaps) {
    lines.push(
      `  gap ${gapId}: partition ${partition} ${kind} at offsets ${fromOffset} to ${toOffset ?? 'unknown'}, ` +
        `events from ${dataFrom ?? 'unknown'} to ${dataThrough} may be missing`,
    );
  }
  for (const { orgId, bucket, conflicts } of unreviewedConflicts) {
    lines.push(`  org ${orgId} at ${bucket}: ${conflicts} conflicts that nobody has reviewed`);
  }
  lines.push(
    differing === 0
      ? 'All layers agree.'
      : `${differing} rows differ: ask for a re-aggregation of their windows.`,
  );
  return lines.join('\n');
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}

function parse() {
  const { help, json, org, start, end, list } = options();
  if (org !== undefined && !UUID.test(org)) throw new UsageError('--org must be a UUID.');
  const listed = wholeNumber('--list', list);
  const window = { start: instant('start', start), end: instant('end', end) };
  if (window.start && window.end && window.start >= window.end)
    throw new UsageError('--end must be after --start.');
  return { help, json, org: org?.toLowerCase() ?? null, ...window, list: listed };
}

function instant(side: 'start' | 'end', text: string | undefined): Date | null {
  if (text === undefined) return null;
  const parsed = parseInstant(text, { now: Date.now(), zone: TimeZone.UTC, side });
  if (parsed === undefined) throw new UsageError(`--${side} must be ${INSTANT_FORMS}.`);
  return new Date(parsed);
}

function options() {
  return parseArgs({
    options: {
      start: { type: 'string' },
      end: { type: 'string' },
      org: { type: 'string' },
      list: { type: 'string', default: '100' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

runCommand(main);
