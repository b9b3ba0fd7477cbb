import type { UsageEvent } from '../../src/shared/usage-event/usage-event';
import { connectionError, never, type Turns } from './turns';

export interface Cursor {
  epoch: number;
  owner: string | null;
  renewedAt: number;
  nextOffset: number;
  lastMessageHash: Buffer | null;
  dataThrough: number;
}

export interface LedgerCounts {
  stored: number;
  duplicates: number;
  conflicts: number;
  quarantined: number;
}

/** What is committed. */
export class Tables {
  readonly cursors = new Map<number, Cursor>();
  /** Payload hash and day of arrival of each identity, newest first. */
  readonly keys = new Map<string, { readonly hash: string; readonly arrivedOn: number }[]>();
  /** By identity and time of occurrence. */
  readonly events = new Map<string, UsageEvent>();
  readonly quarantine = new Set<string>();
  readonly ledger = new Map<string, LedgerCounts>();
  readonly batches: (LedgerCounts & { readonly partition: number; readonly lastOffset: number })[] = [];
  readonly gaps: { readonly partition: number; readonly from: number; readonly to: number }[] = [];
  /** Places in the streams of which something is committed, `partition/offset`. */
  readonly places = new Set<string>();
}

/** An open transaction; it sees what is committed and keeps what it writes to itself. */
export class Transaction {
  readonly writes: ((tables: Tables) => void)[] = [];
  /** What it has locked: cursors, identities it claims, events it stores. */
  readonly locks = new Set<string>();
  /** The day of arrival of the batch that it stores. */
  day: number | undefined;
  readonly ended: Promise<void>;
  isOpen = true;
  private end!: () => void;

  constructor() {
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  close(): void {
    this.isOpen = false;
    this.end();
  }
}

/** The process that a connection belongs to. */
export interface Owner {
  isAlive: boolean;
}

/** A database with read-committed transactions and row locks, as far as ingestion needs them. */
export class MemoryDatabase {
  readonly tables = new Tables();
  private readonly open = new Set<{ transaction: Transaction; owner: Owner; committing: boolean }>();

  constructor(
    readonly turns: Turns,
    private readonly check: (tables: Tables) => void,
  ) {}

  connect(owner: Owner): MemoryClient {
    return new MemoryClient(this, owner);
  }

  begin(owner: Owner): Transaction {
    const transaction = new Transaction();
    this.open.add({ transaction, owner, committing: false });
    return transaction;
  }

  commit(transaction: Transaction): void {
    if (!transaction.isOpen) return;
    for (const write of transaction.writes) write(this.tables);
    this.close(transaction);
    this.check(this.tables);
  }

  /** A statement of its own. */
  apply(write: (tables: Tables) => void): void {
    write(this.tables);
    this.check(this.tables);
  }

  close(transaction: Transaction): void {
    for (const each of this.open) if (each.transaction === transaction) this.open.delete(each);
    transaction.close();
  }

  /** COMMIT is on its way: whether the process lives to hear of it does not matter any more. */
  sent(transaction: Transaction): void {
    for (const each of this.open) if (each.transaction === transaction) each.committing = true;
  }

  /** What PostgreSQL does when a client has gone. */
  abandon(owner: Owner): void {
    for (const each of [...this.open]) {
      if (each.owner === owner && !each.committing) this.close(each.transaction);
    }
  }

  /** Waits for whoever else holds it; `by` holds it from then on, if it is a transaction. */
  async lock(name: string, by: Transaction | null): Promise<void> {
    for (;;) {
      const holder = [...this.open].find(
        (each) => each.transaction !== by && each.transaction.locks.has(name),
      );
      if (!holder) break;
      await holder.transaction.ended;
    }
    by?.locks.add(name);
  }

  /** Waits until no other transaction holds another day; `by` holds this one from then on. */
  async lockDay(day: number, by: Transaction): Promise<void> {
    for (;;) {
      const holder = [...this.open].find(
        ({ transaction }) => transaction !== by && transaction.day !== undefined && transaction.day !== day,
      );
      if (!holder) break;
      await holder.transaction.ended;
    }
    by.day = day;
  }
}

/** One connection. */
export class MemoryClient {
  private transaction: Transaction | undefined;
  private isBroken = false;
  /** A statement has failed: the transaction takes nothing more. */
  private hasFailed = false;
  /** The statement before: the server takes one after the other, however they are sent. */
  private former: Promise<unknown> = Promise.resolve();

  constructor(
    readonly database: MemoryDatabase,
    private readonly owner: Owner,
  ) {}

  /** `begin`, `commit` and `rollback`; everything else goes through the store. */
  query(statement: string): Promise<{ command: string }> {
    return this.queued(async () => {
      if (statement === 'commit') return this.commit();
      await this.step(statement);
      if (statement === 'begin') this.transaction = this.database.begin(this.owner);
      else this.rollback();
      return { command: statement.toUpperCase() };
    });
  }

  /** A statement within the transaction. */
  inOrder<Result>(
    label: string,
    work: (transaction: Transaction) => Result | Promise<Result>,
  ): Promise<Result> {
    return this.queued(async () => {
      await this.step(label);
      if (!this.transaction || this.hasFailed) throw new Error(`${label} came too late for its transaction.`);
      try {
        return await work(this.transaction);
      } catch (error) {
        this.hasFailed = true;
        throw error;
      }
    });
  }

  release(): void {
    this.rollback();
  }

  private queued<Result>(statement: () => Promise<Result>): Promise<Result> {
    const done = this.former.then(statement, statement);
    this.former = done.catch(() => undefined);
    return done;
  }

  /** Waits for its turn. Throws when the connection breaks; the transaction is gone then. */
  private async step(label: string): Promise<void> {
    if (this.isBroken) throw connectionError();
    const fate = await this.database.turns.turn(label);
    if (!this.owner.isAlive) return never();
    if (fate !== 'done') this.break();
  }

  private async commit(): Promise<{ command: string }> {
    const { database, transaction } = this;
    if (this.isBroken || !transaction) throw connectionError();
    if (!this.hasFailed) database.sent(transaction);
    const fate = await database.turns.turn('commit');
    if (this.hasFailed && this.owner.isAlive) {
      this.rollback();
      return { command: 'ROLLBACK' };
    }
    if (fate === 'breaks-before') database.close(transaction);
    else database.commit(transaction);
    if (!this.owner.isAlive) return never();
    if (fate !== 'done') this.break();
    return { command: 'COMMIT' };
  }

  private rollback(): void {
    if (this.transaction) this.database.close(this.transaction);
    this.transaction = undefined;
    this.hasFailed = false;
  }

  private break(): never {
    this.isBroken = true;
    this.rollback();
    throw connectionError();
  }
}
