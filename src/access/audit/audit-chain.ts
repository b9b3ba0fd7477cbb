import { createHash } from 'node:crypto';

/** A decision of the guard, as the audit log keeps it. */
export interface AuditedDecision {
  /** Whole milliseconds. */
  readonly decidedAt: Date;
  readonly principalId: string;
  readonly principalKind: 'jwt' | 'api-key';
  /** `null`: the platform's own credential. */
  readonly principalOrgId: string | null;
  readonly principalRoles: readonly string[];
  /** What the route asks for; `null` where it grants nothing to anyone. */
  readonly permission: string | null;
  readonly method: string;
  /** The pattern of the route, never the path. */
  readonly route: string;
  /** Organisation of the path, in lower case. */
  readonly orgId: string | null;
  /** What else the path names, such as an export or a key. */
  readonly resourceId: string | null;
  readonly decision: 'granted' | 'refused';
  readonly requestId: string;
}

/** Where a chain ends. */
export interface ChainHead {
  readonly sequence: bigint;
  readonly hash: Buffer;
}

export interface AuditEntry extends AuditedDecision {
  readonly sequence: bigint;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** What the first entry follows. */
export const NO_ENTRY: ChainHead = { sequence: 0n, hash: Buffer.alloc(32) };

/**
 * SHA-256 of the hash before and the decision, as a JSON list in this order. The sequence is left out: it follows from
 * the chain, so that an entry that was moved is told apart from one that was edited.
 */
export function hashOf(previousHash: Buffer, decision: AuditedDecision): Buffer {
  const content = JSON.stringify([
    decision.decidedAt.toISOString(),
    decision.principalId,
    decision.principalKind,
    decision.principalOrgId,
    decision.principalRoles,
    decision.permission,
    decision.method,
    decision.route,
    decision.orgId,
    decision.resourceId,
    decision.decision,
    decision.requestId,
  ]);
  return createHash('sha256').update(previousHash).update(content).digest();
}

/** The decisions as entries that continue the chain from `head` on. */
export function chained(head: ChainHead, decisions: readonly AuditedDecision[]): AuditEntry[] {
  let { sequence, hash: previousHash } = head;
  return decisions.map((decision) => {
    sequence += 1n;
    const entry = { ...decision, sequence, previousHash, hash: hashOf(previousHash, decision) };
    previousHash = entry.hash;
    return entry;
  });
}

/** Where and how a chain is broken. */
export interface ChainFault {
  /** Of the first entry that is concerned. */
  readonly sequence: bigint;
  readonly kind: 'edited' | 'removed' | 'reordered' | 'truncated';
  /** A sentence with its place. */
  readonly detail: string;
}

/** Follows a chain from its beginning and says where it is not what was written. */
export class ChainCheck {
  private last: ChainHead = NO_ENTRY;

  /** `noted`: hashes of entries that were kept outside of the database. */
  constructor(private readonly noted: readonly ChainHead[] = []) {}

  /** The last entry so far. */
  get end(): ChainHead {
    return this.last;
  }

  add(entry: AuditEntry): ChainFault[] {
    const faults: ChainFault[] = [];
    const at = `entry ${entry.sequence} of ${entry.decidedAt.toISOString()}`;
    const follows = entry.previousHash.equals(this.last.hash);
    const missing = entry.sequence - this.last.sequence - 1n;
    if (missing > 0n) {
      const [from, to] = [this.last.sequence + 1n, entry.sequence - 1n];
      faults.push({ sequence: from, kind: 'removed', detail: `entries ${from} to ${to} (${missing}) are missing, before ${at}` }); // prettier-ignore
    }
    if (!hashOf(entry.previousHash, entry).equals(entry.hash)) {
      faults.push({ sequence: entry.sequence, kind: 'edited', detail: `${at} is not what was written` });
    } else if (!follows && missing === 0n) {
      faults.push({ sequence: entry.sequence, kind: 'reordered', detail: `${at} does not follow the entry before it: one of them was moved, or entries between them were removed` }); // prettier-ignore
    }
    const kept = this.noted.find(({ sequence }) => sequence === entry.sequence);
    if (kept && !kept.hash.equals(entry.hash))
      faults.push({ sequence: entry.sequence, kind: 'edited', detail: `${at} has another hash than the one that was noted` }); // prettier-ignore
    this.last = { sequence: entry.sequence, hash: entry.hash };
    return faults;
  }

  /** To be asked once all entries were added; `head` is where the database says that the chain ends. */
  finish(head: ChainHead): ChainFault[] {
    const ends = [head, ...this.noted].filter(({ sequence }) => sequence > this.last.sequence);
    const furthest = ends.reduce((most, { sequence }) => (sequence > most ? sequence : most), 0n);
    if (furthest > 0n) {
      const from = this.last.sequence + 1n;
      return [
        {
          sequence: from,
          kind: 'truncated',
          detail: `entries ${from} to ${furthest} are missing at the end`,
        },
      ];
    }
    if (head.sequence === this.last.sequence && head.hash.equals(this.last.hash)) return [];
    return [{ sequence: this.last.sequence, kind: 'edited', detail: `the log does not end with entry ${head.sequence} as the database's own record says` }]; // prettier-ignore
  }
}
