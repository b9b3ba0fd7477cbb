import { Injectable } from '@nestjs/common';

/** What this process knows of a partition that it owns. */
export interface PartitionProgress {
  readonly partition: number;
  /** Messages behind the cursor; at least, the newest chunk of the stream may hold more. */
  readonly backlog: number;
  /** Milliseconds since the epoch; of the last commit, or of the moment the partition was taken. */
  readonly progressedAt: number;
  readonly failing: string | null;
}

/** Backlog without a commit for this long is no progress. */
const STUCK_AFTER_MS = 60_000;

/** The partitions this process reads, for readiness and metrics. */
@Injectable()
export class IngestionProgress {
  private readonly partitions = new Map<number, PartitionProgress>();

  owned(partition: number): void {
    this.set(partition, { backlog: 0, progressedAt: Date.now(), failing: null });
  }

  committed(partition: number): void {
    this.set(partition, { progressedAt: Date.now(), failing: null });
  }

  failing(partition: number, reason: string): void {
    this.set(partition, { failing: reason });
  }

  measured(partition: number, backlog: number): void {
    this.set(partition, { backlog });
  }

  released(partition: number): void {
    this.partitions.delete(partition);
  }

  all(): readonly PartitionProgress[] {
    return [...this.partitions.values()];
  }

  /** Throws with a sentence when a partition has a backlog and nothing was committed for a minute. */
  assertProgress(): string {
    for (const { partition, backlog, progressedAt, failing } of this.partitions.values()) {
      const seconds = Math.round((Date.now() - progressedAt) / 1_000);
      if (failing !== null) throw new Error(`Partition ${partition} commits nothing: ${failing}`);
      if (backlog > 0 && seconds * 1_000 > STUCK_AFTER_MS) {
        throw new Error(
          `Partition ${partition} has ${backlog} messages behind it and no commit for ${seconds} s.`,
        );
      }
    }
    return this.partitions.size === 0 ? 'owns no partition' : `reads ${this.partitions.size} partitions`;
  }

  private set(partition: number, change: Partial<PartitionProgress>): void {
    const known = this.partitions.get(partition) ?? {
      partition,
      backlog: 0,
      progressedAt: Date.now(),
      failing: null,
    };
    this.partitions.set(partition, { ...known, ...change });
  }
}
