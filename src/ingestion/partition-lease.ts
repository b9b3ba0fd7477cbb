import type { IngestPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';

/** The cursor of a partition, owned by this replica in `epoch`. */
export interface OwnedCursor {
  readonly partition: number;
  readonly epoch: number;
  /** Everything below is committed. */
  readonly nextOffset: number;
  /** SHA-256 of the message below `nextOffset`; `null` before the first one. */
  readonly lastMessageHash: Buffer | null;
  readonly incarnation: number;
}

const acquirePartition = sql('ingestion/acquire-partition');
const renewPartition = sql('ingestion/renew-partition');
const releasePartition = sql('ingestion/release-partition');
const recordTruncation = sql('ingestion/record-truncation');
const recordRecreation = sql('ingestion/record-recreation');

interface CursorRow {
  readonly epoch: number;
  readonly next_offset: string;
  readonly last_message_hash: Buffer | null;
  readonly incarnation: number;
}

/** Who reads a partition: decided by rows of `ingest_cursors`, and safe by their epoch rather than by any clock. */
export class PartitionLeases {
  constructor(
    private readonly pool: IngestPool,
    private readonly owner: string,
    /** Milliseconds of silence after which an owner is replaced. */
    private readonly leaseMs: number,
  ) {}

  /** The cursor as it stands, in a new epoch; `undefined` while another replica owns the partition. */
  async acquire(partition: number): Promise<OwnedCursor | undefined> {
    const { rows } = await this.pool.query<CursorRow>({
      ...acquirePartition,
      values: [partition, this.owner, this.leaseMs],
    });
    const [row] = rows;
    return (
      row && {
        partition,
        epoch: row.epoch,
        // RabbitMQ refuses an offset that is not a number.
        nextOffset: Number(row.next_offset),
        lastMessageHash: row.last_message_hash,
        incarnation: row.incarnation,
      }
    );
  }

  /** Answers whether the partition is still ours. */
  async renew({ partition, epoch }: OwnedCursor, backlog: number, caughtUp: boolean): Promise<boolean> {
    const { rowCount } = await this.pool.query({
      ...renewPartition,
      values: [partition, epoch, backlog, caughtUp],
    });
    return rowCount === 1;
  }

  async release({ partition, epoch }: OwnedCursor): Promise<void> {
    await this.pool.query({ ...releasePartition, values: [partition, epoch] });
  }

  /** Offsets from the cursor up to `firstOffset` no longer exist. */
  async recordTruncation({ partition, epoch, nextOffset }: OwnedCursor, firstOffset: number): Promise<void> {
    await this.pool.query({ ...recordTruncation, values: [partition, epoch, nextOffset, firstOffset] });
  }

  /** The stream is not the one that the cursor belongs to: it is read from its first message. */
  async recordRecreation({ partition, epoch, nextOffset }: OwnedCursor): Promise<void> {
    await this.pool.query({ ...recordRecreation, values: [partition, epoch, nextOffset] });
  }
}
