import type { IngestPool } from '../../src/platform/database/pools';
import type { Cursor, MemoryClient, MemoryDatabase, Owner } from './memory-database';
import { connectionError, never } from './turns';

interface Answer {
  readonly rows: readonly object[];
}

/** The connections of one process: transactions for batches, and the statements of `PartitionLeases` one by one. */
export class MemoryPool {
  constructor(
    private readonly database: MemoryDatabase,
    private readonly owner: Owner,
  ) {}

  get asPool(): IngestPool {
    return this as unknown as IngestPool;
  }

  connect(): Promise<MemoryClient> {
    return Promise.resolve(this.database.connect(this.owner));
  }

  /** Waits for its turn; a connection may break before or after it is done. */
  async query({ name, values }: { name: string; values: readonly unknown[] }): Promise<Answer> {
    const fate = await this.database.turns.turn(name);
    if (!this.owner.isAlive) return never();
    if (fate === 'breaks-before') throw connectionError();
    const rows = await this.execute(name, values);
    if (!this.owner.isAlive) return never();
    if (fate === 'breaks-after') throw connectionError();
    return { rows };
  }

  private execute(name: string, [partition, ...values]: readonly unknown[]): Promise<object[]> {
    if (name === 'ingestion/acquire-partition') return this.acquire(Number(partition), ...(values as [string, number])); // prettier-ignore
    const [epoch, ...others] = values;
    return this.onOwned(Number(partition), Number(epoch), (cursor) => {
      switch (name) {
        case 'ingestion/renew-partition': {
          const complete = others[1] as Date | null;
          cursor.renewedAt = Date.now();
          cursor.dataThrough = Math.max(cursor.dataThrough, complete?.getTime() ?? -Infinity);
          return;
        }
        case 'ingestion/release-partition':
          cursor.owner = null;
          return;
        case 'ingestion/record-truncation': {
          const [from, to] = others as [number, number];
          if (cursor.nextOffset !== from) return;
          cursor.nextOffset = to;
          cursor.lastMessageHash = null;
          this.database.tables.gaps.push({ partition: Number(partition), from, to });
          return;
        }
        default:
          this.database.turns.violations.push(`${name} is not expected.`);
      }
    });
  }

  private async acquire(partition: number, replica: string, leaseMs: number): Promise<object[]> {
    const { tables } = this.database;
    const isFree = ({ owner, renewedAt }: Cursor) =>
      owner === null || owner === replica || renewedAt < Date.now() - leaseMs;
    const seen = tables.cursors.get(partition);
    // Asking while another owner is alive waits for nothing.
    if (seen && !isFree(seen)) return [];
    await this.database.lock(`cursor ${partition}`, null);
    const cursor = tables.cursors.get(partition) ?? fresh();
    if (!isFree(cursor)) return [];
    tables.cursors.set(partition, cursor);
    cursor.epoch += 1;
    cursor.owner = replica;
    cursor.renewedAt = Date.now();
    const { epoch, nextOffset, lastMessageHash } = cursor;
    return [{ epoch, next_offset: String(nextOffset), last_message_hash: lastMessageHash, incarnation: 1, committed_at: null, now_ms: Date.now() }]; // prettier-ignore
  }

  private async onOwned(
    partition: number,
    epoch: number,
    change: (cursor: Cursor) => void,
  ): Promise<object[]> {
    await this.database.lock(`cursor ${partition}`, null);
    const cursor = this.database.tables.cursors.get(partition);
    if (cursor?.epoch !== epoch) return [];
    this.database.apply(() => change(cursor));
    return [{ now_ms: Date.now() }];
  }
}

function fresh(): Cursor {
  return {
    epoch: 0,
    owner: null,
    renewedAt: 0,
    nextOffset: 0,
    lastMessageHash: null,
    dataThrough: -Infinity,
  };
}
