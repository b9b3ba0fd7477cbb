// Follows the audit log from its first entry and finds what was edited, removed, moved or cut off.
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import type { ChainHead } from '../access/audit/audit-chain';
import { verifyAudit } from '../access/audit/audit-verification';
import { loadConfig } from '../platform/config/config';
import { SESSION_OPTIONS } from '../platform/database/pools';
import { runCommand, UsageError, wholeNumber } from './command-line';
import { openDatabase } from './open-database';
import { Progress } from './progress';

const USAGE = `Usage: npm run audit:verify [-- options]

  --noted SEQUENCE:HASH   an entry as it was noted outside of the database; may be given more than once
  --list N                faults to name (100)
  --help                  this text

Reads the database of DATABASE_URL, or the embedded one of DATA_DIR, and changes nothing. The last line says where the
log ends: note it elsewhere, and give it to a later run. The log of the service has it for each entry, too. Whoever owns
the database can write the whole log anew; only what was noted elsewhere shows that.

Exit code 0: the log is as it was written. 1: it is not, or the verification failed. 2: the options are wrong.
`;

const NOTED = /^([1-9]\d{0,17}):([0-9a-f]{64})$/;
const CHANGED = 1;

async function main(): Promise<void> {
  const { help, noted, listed } = parse();
  if (help) return void process.stdout.write(USAGE);
  const database = await openDatabase(loadConfig({ ...process.env, NODE_ENV: 'development' }));
  const pool = new Pool({ connectionString: database.url, options: SESSION_OPTIONS, max: 1 });
  // A connection that is lost between two statements: the next one says so.
  pool.on('error', () => undefined);
  try {
    let progress: Progress | undefined;
    const { entries, head, faults } = await verifyAudit(pool, {
      noted,
      onProgress: (done, all) => {
        progress ??= new Progress('Following the audit log', Number(all), 'entries');
        progress.to(Number(done));
      },
    });
    progress?.stop();
    for (const { kind, detail } of faults.slice(0, listed)) console.log(`${kind}: ${detail}`);
    if (faults.length > listed) console.log(`and ${faults.length - listed} more`);
    console.log(
      faults.length === 0
        ? `The audit log is as it was written: ${entries} entries.`
        : `The audit log was changed: ${faults.length} faults in ${entries} entries.`,
    );
    console.log(`It ends with ${head.sequence}:${head.hash.toString('hex')}`);
    if (faults.length > 0) process.exitCode = CHANGED;
  } finally {
    await pool.end();
    await database.stop();
  }
}

function parse() {
  const { help, noted = [], list } = options();
  const listed = wholeNumber('--list', list);
  return { help, noted: noted.map(headOf), listed };
}

function headOf(text: string): ChainHead {
  const [, sequence, hash] = NOTED.exec(text) ?? [];
  if (sequence === undefined || hash === undefined)
    throw new UsageError('--noted must be SEQUENCE:HASH, as the last line of a run says it.');
  return { sequence: BigInt(sequence), hash: Buffer.from(hash, 'hex') };
}

function options() {
  return parseArgs({
    options: {
      noted: { type: 'string', multiple: true },
      list: { type: 'string', default: '100' },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

runCommand(main);
