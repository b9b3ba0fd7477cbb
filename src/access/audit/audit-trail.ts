import { Injectable, Logger } from '@nestjs/common';
import { Counter } from 'prom-client';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';
import { AppError } from '../../shared/errors';
import { type AuditedDecision, type AuditEntry, chained, type ChainHead } from './audit-chain';

const lockHead = sql('access/lock-audit-head');
const appendEntries = sql('access/append-audit-entries');

/** Entries in one transaction at most. */
const GROUP = 500;

const entries = new Counter({
  name: 'audit_entries_total',
  help: 'Decisions that were written to the audit log.',
  labelNames: ['decision'],
});
for (const decision of ['granted', 'refused']) entries.inc({ decision }, 0);

interface Waiting {
  readonly decision: AuditedDecision;
  readonly settle: (error?: unknown) => void;
}

/**
 * Writes decisions to the audit log. Decisions that come while a transaction is under way go into the next one
 * together, so that many of them cost one lock and one flush.
 */
@Injectable()
export class AuditTrail {
  private readonly logger = new Logger(AuditTrail.name);
  private waiting: Waiting[] = [];
  private writing = false;

  constructor(private readonly pool: ApiPool) {}

  /** Resolves once the decision is committed. Throws `unavailable` when it cannot be: then nobody is let in. */
  async record(decision: AuditedDecision): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (cause?: unknown): void =>
        cause === undefined ? resolve() : reject(unavailable(cause));
      this.waiting.push({ decision, settle });
      if (!this.writing) void this.write();
    });
  }

  private async write(): Promise<void> {
    this.writing = true;
    for (let group = this.next(); group.length > 0; group = this.next()) {
      try {
        const written = await this.append(group.map(({ decision }) => decision));
        for (const entry of written) this.note(entry);
        for (const { settle } of group) settle();
      } catch (error) {
        for (const { settle } of group) settle(error);
      }
    }
    this.writing = false;
  }

  private next(): Waiting[] {
    return this.waiting.splice(0, GROUP);
  }

  private async append(decisions: readonly AuditedDecision[]): Promise<AuditEntry[]> {
    return inTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ sequence: string; hash: Buffer }>(lockHead);
      const [head] = rows;
      if (!head) throw new Error('The audit log has lost the record of where it ends (table audit_head).');
      const added = chained(headOf(head), decisions);
      const last = added.at(-1) as AuditEntry;
      const values = [JSON.stringify(added.map(rowOf)), String(last.sequence), last.hash];
      await client.query({ ...appendEntries, values });
      return added;
    });
  }

  /** The log of the process keeps each hash out of the database's reach. */
  private note({ sequence, hash, decision }: AuditEntry): void {
    entries.inc({ decision });
    this.logger.log({ sequence: String(sequence), hash: hash.toString('hex') }, 'Recorded a decision');
  }
}

export function headOf({ sequence, hash }: { sequence: string; hash: Buffer }): ChainHead {
  return { sequence: BigInt(sequence), hash };
}

function rowOf(entry: AuditEntry): Record<string, unknown> {
  return {
    sequence: String(entry.sequence),
    decided_at: entry.decidedAt.toISOString(),
    principal_id: entry.principalId,
    principal_kind: entry.principalKind,
    principal_org_id: entry.principalOrgId,
    principal_roles: entry.principalRoles,
    permission: entry.permission,
    method: entry.method,
    route: entry.route,
    org_id: entry.orgId,
    resource_id: entry.resourceId,
    decision: entry.decision,
    request_id: entry.requestId,
    previous_hash: entry.previousHash.toString('hex'),
    hash: entry.hash.toString('hex'),
  };
}

function unavailable(cause: unknown): AppError {
  return new AppError(
    'unavailable',
    'The audit log cannot be written, and this needs an entry in it; try again.',
    {
      retryAfterSeconds: 5,
      cause,
    },
  );
}
