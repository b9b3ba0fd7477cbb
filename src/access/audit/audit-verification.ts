import type { Pool, PoolClient } from 'pg';
import { sql } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';
import { type AuditedDecision, ChainCheck, type ChainFault, type ChainHead } from './audit-chain';
import { headOf } from './audit-trail';

const readChain = sql('access/read-audit-chain');
const readHead = sql('access/read-audit-head');

const PAGE = 5_000;

export interface AuditVerification {
  readonly entries: bigint;
  /** Where the log ends: to be noted outside of the database. */
  readonly head: ChainHead;
  readonly faults: readonly ChainFault[];
}

export interface AuditVerificationOptions {
  /** Hashes of entries that were kept outside of the database. */
  readonly noted?: readonly ChainHead[];
  readonly onProgress?: (done: bigint, all: bigint) => void;
}

type EntryRow = AuditedDecision & { sequence: string; previousHash: Buffer; hash: Buffer };

/**
 * Reads the whole audit log and finds entries that were edited, removed, moved or cut off. Whoever can write to the
 * database as its owner can also write a new chain: only hashes that were `noted` elsewhere show that.
 */
export async function verifyAudit(
  pool: Pool,
  { noted = [], onProgress = () => undefined }: AuditVerificationOptions = {},
): Promise<AuditVerification> {
  return inTransaction(pool, async (client) => {
    // The entries and the record of their end, of one moment.
    await client.query('set transaction isolation level repeatable read, read only');
    const head = await readEnd(client);
    const check = new ChainCheck(noted);
    const faults: ChainFault[] = [];
    let entries = 0n;
    let page: EntryRow[];
    do {
      const values = [String(check.end.sequence), PAGE];
      page = (await client.query<EntryRow>({ ...readChain, values })).rows;
      for (const row of page) faults.push(...check.add({ ...row, sequence: BigInt(row.sequence) }));
      entries += BigInt(page.length);
      onProgress(check.end.sequence, head.sequence);
    } while (page.length === PAGE);
    faults.push(...check.finish(head));
    return { entries, head, faults };
  });
}

async function readEnd(client: PoolClient): Promise<ChainHead> {
  const { rows } = await client.query<{ sequence: string; hash: Buffer }>(readHead);
  const [head] = rows;
  if (!head) throw new Error('The audit log has lost the record of where it ends (table audit_head).');
  return headOf(head);
}
