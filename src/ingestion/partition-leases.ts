import type { IngestPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';

/** The cursor of a partition, owned by this replica in `epoch`. */
export interface OwnedCursor {
  readonly partition: number;
  readonly epoch: number;
  /** Everything below is committed. */
  readonly nextOffset: number;
  /** SHA-256 of the message below `nextOffset`; `null` when it is not known. */
  readonly lastMessageHash: Buffer | null;
  readonly incarnation: number;
  /** When it moved last, by the database's clock; `null` when it never has. */
  readonly committedAt: Date | null;
  /** Up to here everything was committed when it was acquired; `null` when nothing ever was. */
  readonly dataThrough: Date | null;
}

const acquirePartition = sql('ingestion/acquire-partition');
const renewPartition = sql('ingestion/renew-partition');
const releasePartition = sql('ingestion/release-partition');
const recordTruncation = sql('ingestion/record-truncation');
const recordRecreation = sql('ingestion/record-recreation');
const announceReplica = sql('ingestion/announce-replica');
const dismissReplica = sql('ingestion/dismiss-replica');

interface CursorRow {
  readonly epoch: number;
  readonly next_offset: string;
  readonly last_message_hash: Buffer | null;
  readonly incarnation: number;
  readonly now_ms: number;
  readonly committed_at: Date | null;
  readonly data_through: Date | null;
}

/** Who reads a partition: decided by rows of `ingest_cursors`, and safe by their epoch rather than by any clock. */
export class PartitionLeases {
  /** What the database's clock showed in an answer, and `performance.now()` when that had arrived. */
  private clock: { readonly shown: number; readonly at: number } | undefined;

  constructor(
    private readonly pool: IngestPool,
    /** Name of this replica; the names of replicas sort by their age. */
    readonly replica: string,
    /** Milliseconds of silence after which an owner is replaced. */
    readonly leaseMs: number,
  ) {}

  /** Tells that this replica is ready to read, and answers all that are, the oldest first. */
  async announce(): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ replica: string }>({
      ...announceReplica,
      values: [this.replica, this.leaseMs],
    });
    return rows.map(({ replica }) => replica).sort();
  }

  /** Tells that this replica reads no more. */
  async dismiss(): Promise<void> {
    await this.pool.query({ ...dismissReplica, values: [this.replica] });
  }

  /** The cursor as it stands, in a new epoch; `undefined` while another replica owns the partition. */
  async acquire(partition: number): Promise<OwnedCursor | undefined> {
    const { rows } = await this.pool.query<CursorRow>({
      ...acquirePartition,
      values: [partition, this.replica, this.leaseMs],
    });
    const [row] = rows;
    this.setClock(row);
    return (
      row && {
        partition,
        epoch: row.epoch,
        // RabbitMQ refuses an offset that is not a number.
        nextOffset: Number(row.next_offset),
        lastMessageHash: row.last_message_hash,
        incarnation: row.incarnation,
        committedAt: row.committed_at,
        dataThrough: row.data_through,
      }
    );
  }

  /**
   * Answers whether the partition is still ours. `completeAt`: when everything that lay in the stream was committed,
   * by `performance.now()`; `null` when something is left to read. It is told as an instant of the database's clock,
   * because this may reach the database much later, when it would not be true of "just now" any more.
   */
  async renew(
    { partition, epoch }: OwnedCursor,
    backlog: number,
    completeAt: number | null,
  ): Promise<boolean> {
    const { rows } = await this.pool.query<Pick<CursorRow, 'now_ms'>>({
      ...renewPartition,
      values: [partition, epoch, backlog, this.instantOf(completeAt)],
    });
    this.setClock(rows[0]);
    return rows.length === 1;
  }

  async release({ partition, epoch }: OwnedCursor): Promise<void> {
    await this.pool.query({ ...releasePartition, values: [partition, epoch] });
  }

  /** Offsets from the cursor up to `firstOffset` no longer exist: notes the gap and goes on behind it. Answers whether it is noted. */
  async recordTruncation(
    { partition, epoch, nextOffset }: OwnedCursor,
    firstOffset: number,
  ): Promise<boolean> {
    const values = [partition, epoch, nextOffset, firstOffset];
    return (await this.pool.query({ ...recordTruncation, values })).rows.length > 0;
  }

  /** The stream is not the one that the cursor belongs to: notes the gap and begins at its first message. Answers whether it is. */
  async recordRecreation({ partition, epoch, nextOffset }: OwnedCursor): Promise<boolean> {
    const { rows } = await this.pool.query({ ...recordRecreation, values: [partition, epoch, nextOffset] });
    return rows.length > 0;
  }

  private setClock(row: Pick<CursorRow, 'now_ms'> | undefined): void {
    if (row) this.clock = { shown: row.now_ms, at: performance.now() };
  }

  /** What the database's clock showed then, or less by as long as its last answer was on its way; never more. */
  private instantOf(at: number | null): Date | null {
    return at === null || !this.clock ? null : new Date(Math.floor(this.clock.shown + at - this.clock.at));
  }
}
