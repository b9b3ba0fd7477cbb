import { Injectable } from '@nestjs/common';

/** What this process knows of a partition that it owns. Instants in milliseconds since the epoch. */
export interface PartitionProgress {
  readonly partition: number;
  /** Messages behind the cursor; at least, the newest chunk of the stream may hold more. */
  readonly backlog: number;
  /** Of the last commit, or of the moment the partition was taken. */
  readonly progressedAt: number;
  /** Since when this process has it. */
  readonly ownedAt: number;
  /** Events that occurred up to here are committed; `null` before anything ever was. */
  readonly dataThrough: number | null;
  /** Why the batch at hand cannot be committed. */
  readonly failing: string | null;
}

/** Backlog without a commit for this long is no progress. */
const STUCK_AFTER_MS = 60_000;

/** The partitions this process reads, for readiness and metrics. */
@Injectable()
export class IngestionProgress {
  private readonly partitions = new Map<number, PartitionProgress>();

  /**
   * `through`: what the cursor says is committed. Known from the first moment on, because a partition that can commit
   * nothing must grow old for those who watch it. One that is read again after a session ended does not get another minute.
   */
  owned(partition: number, through: Date | null = null): void {
    // What could not be committed is read again: or it was committed, and only the answer was lost.
    if (this.partitions.has(partition)) return this.change(partition, { failing: null });
    const ownedAt = Date.now();
    const dataThrough = through?.getTime() ?? null;
    this.partitions.set(partition, { partition, backlog: 0, progressedAt: ownedAt, ownedAt, dataThrough, failing: null }); // prettier-ignore
  }

  /** `dataThrough`: the latest event of the batch, or `null` when it held none. */
  committed(partition: number, dataThrough: number | null): void {
    const known = this.partitions.get(partition)?.dataThrough ?? null;
    this.change(partition, {
      progressedAt: Date.now(),
      failing: null,
      dataThrough: dataThrough === null ? known : Math.max(known ?? -Infinity, dataThrough),
    });
  }

  failing(partition: number, reason: string): void {
    this.change(partition, { failing: reason });
  }

  measured(partition: number, backlog: number): void {
    this.change(partition, { backlog });
  }

  completeThrough(partition: number, instant: number): void {
    this.change(partition, { dataThrough: instant, failing: null });
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
      if (failing !== null) throw new Error(`Partition ${partition} commits nothing: ${failing}`);
      const silentMs = Date.now() - progressedAt;
      if (backlog > 0 && silentMs > STUCK_AFTER_MS) {
        const seconds = Math.round(silentMs / 1_000);
        throw new Error(
          `Partition ${partition} has ${backlog} messages behind it and no commit for ${seconds} s.`,
        );
      }
    }
    const owned = [...this.partitions.keys()].sort((a, b) => a - b).join(', ');
    return owned === '' ? 'owns no partition' : `reads partition ${owned}`;
  }

  /** What is still told of a partition that was given up meanwhile has no effect. */
  private change(partition: number, change: Partial<PartitionProgress>): void {
    const known = this.partitions.get(partition);
    if (known) this.partitions.set(partition, { ...known, ...change });
  }
}
