import { Logger } from '@nestjs/common';
import type { PartitionLeases } from './partition-leases';

const LONGEST_INTERVAL_MS = 1_000;
/** Until the first announcement, which waits for the broker: nothing is read before. */
const FIRST_INTERVAL_MS = 100;

/** Partitions that `self` should own: all differ by at most one, and the oldest replicas have the one more. */
export function fairShare(partitions: number, replicas: readonly string[], self: string): number {
  const place = replicas.indexOf(self);
  if (place < 0) return 0;
  return Math.floor(partitions / replicas.length) + (place < partitions % replicas.length ? 1 : 0);
}

/**
 * How many partitions this replica may own, so that replicas that come and go share them. Only a wish: who does own
 * one is decided by the leases.
 */
export class PartitionShares {
  private readonly logger = new Logger(PartitionShares.name);
  private readonly owned = new Set<number>();
  private share = 0;
  private announced = false;
  private others = 0;
  /** Partitions that are left to others, for which this replica is not announced. */
  private readonly left = new Set<number>();
  private failing = false;
  private announcing: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly partitions: number,
    private readonly leases: PartitionLeases,
    /** Whether this replica could read at all. */
    private readonly isAble: () => boolean,
  ) {}

  start(): void {
    const interval = Math.min(LONGEST_INTERVAL_MS, this.leases.leaseMs / 4);
    const announce = (): void => {
      this.announcing = this.announce().finally(() => {
        if (this.timer) this.timer = setTimeout(announce, this.announced ? interval : FIRST_INTERVAL_MS);
      });
    };
    this.timer = setTimeout(announce, 0);
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.announcing;
    await this.leases.dismiss().catch(() => undefined);
  }

  /** Counts the partition as owned, if this replica may own one more. */
  take(partition: number): boolean {
    if (!this.owned.has(partition) && this.owned.size >= this.share) return false;
    this.owned.add(partition);
    return true;
  }

  giveUp(partition: number): void {
    this.owned.delete(partition);
  }

  /** Whether another replica should have the partition. */
  isSpare(partition: number): boolean {
    return this.owned.size > this.share && partition === Math.max(...this.owned);
  }

  /** Whether no other replica has announced itself. */
  get isAlone(): boolean {
    return this.others === 0;
  }

  /** Gives the partition up to others: until `rejoin` this replica has no share in their eyes. */
  async leave(partition: number): Promise<void> {
    this.giveUp(partition);
    this.left.add(partition);
    await this.announcing;
    // Where the database is away the announcement runs out.
    await this.leases.dismiss().catch(() => undefined);
  }

  rejoin(partition: number): void {
    this.left.delete(partition);
  }

  private async announce(): Promise<void> {
    // A replica that cannot read must not keep a share; its last announcement runs out.
    if (!this.isAble() || this.left.size > 0) return;
    try {
      const replicas = await this.leases.announce();
      this.others = replicas.filter((replica) => replica !== this.leases.replica).length;
      this.share = fairShare(this.partitions, replicas, this.leases.replica);
      this.announced = true;
      this.failing = false;
    } catch (err) {
      if (!this.failing) this.logger.warn({ err }, 'Partitions cannot be shared now, trying again');
      this.failing = true;
    }
  }
}
