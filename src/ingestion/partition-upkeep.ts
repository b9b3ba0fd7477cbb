import { Logger } from '@nestjs/common';
import type { Channel } from 'amqplib';
import type { Broker } from '../platform/messaging/broker';
import { closeChannel } from '../platform/messaging/close-channel';
import type { IngestionProgress } from './ingestion-progress';
import type { OwnedCursor, PartitionLeases } from './partition-leases';
import type { PartitionShares } from './partition-shares';
import { firstOffsetSince, hasNeighbour, newestOffset, probeStream } from './stream-probe';
import type { StreamSession } from './stream-session';

const RENEW_EVERY_MS = 1_000;
const MEASURE_EVERY_MS = 1_000;
/** How long a stream may take to deliver a message that it has. */
const PROBE_WAIT_MS = 1_000;
/** Nothing has arrived for this long although the channel is open: everything there is has been read. */
const QUIET_MS = 1_000;
/** A backlog without a single delivery for this long is a consumer that the broker has forgotten. */
const STALLED_MS = 15_000;
/** So many measurements in a row must find nothing in a stream before it is taken for empty, for the same reason. */
const EMPTINESS_EVIDENCE = 3;

/**
 * When a stream that ends below the cursor is another one, although no message shows it. RabbitMQ reads from the replica
 * of the node a client is connected to, and that of a node that was away ends below the cursor, too, until it has caught up.
 */
export const RECREATION = {
  /**
   * Below the cursor lies what was written before the last commit: a message that is so much younger is another stream's.
   * As much as clocks of producers may be, those of broker and database may be apart.
   */
  clocksApartMs: 300_000,
  /**
   * Nothing has come for so long, where a replica that catches up grows with every measurement. Many times what RabbitMQ
   * takes to start a replica again; one that is cut off from its leader for longer is taken for another stream.
   */
  unchangedMs: 600_000,
};

/**
 * What happens beside a session: renews the lease, measures the backlog, and ends the session when the partition has
 * passed to another replica, the consumer is dead, or the stream is not the cursor's any more.
 */
export class PartitionUpkeep {
  private readonly logger = new Logger(PartitionUpkeep.name);
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly busy = new Set<string>();
  private readonly failing = new Set<string>();
  private backlog = 0;
  private measuredFrom: number | undefined;
  /** A newest message that was found below the cursor, and since when it is that, by `performance.now()`. */
  private endBelow: { readonly newest: number; readonly since: number } | undefined;
  private silences = 0;
  /** A cursor that was found to lie behind the last message of a chunk; chunks do not grow. */
  private chunkEnd: { readonly chunk: number; readonly nextOffset: number } | undefined;
  /** A cursor behind which the last measurement found one more message. */
  private waitingFrom: number | undefined;

  constructor(
    private readonly stream: string,
    private readonly session: StreamSession,
    private readonly cursor: OwnedCursor,
    private readonly broker: Broker,
    private readonly leases: PartitionLeases,
    private readonly shares: PartitionShares,
    private readonly progress: IngestionProgress,
  ) {}

  start(): void {
    this.every(Math.min(RENEW_EVERY_MS, this.leases.leaseMs / 4), 'renew', () => this.renew());
    this.every(MEASURE_EVERY_MS, 'measure', () => this.measure());
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private async renew(): Promise<void> {
    const { session, cursor } = this;
    if (this.shares.isSpare(cursor.partition)) return session.stop({ reason: 'stopped' });
    const completeSince = this.completeSince();
    const ours = await this.leases.renew(cursor, this.backlog, completeSince ?? null);
    if (!ours) return session.stop({ reason: 'closed' });
    if (completeSince === undefined) return;
    this.progress.completeThrough(cursor.partition, Date.now() - (performance.now() - completeSince));
  }

  /** When all that lay in the stream was committed last, by `performance.now()`; `undefined` while something is left. */
  private completeSince(): number | undefined {
    const { quietSince } = this.session;
    if (this.measuredFrom === undefined || this.backlog > 0 || quietSince === undefined) return undefined;
    const quiet = quietSince <= this.measuredFrom && performance.now() - quietSince >= QUIET_MS;
    return quiet ? this.measuredFrom : undefined;
  }

  private async measure(): Promise<void> {
    const { session, cursor } = this;
    const startedAt = performance.now();
    const newestChunk = await this.newestChunk();
    const isRead = newestChunk === undefined ? undefined : await this.compareWith(newestChunk);
    this.silences = newestChunk === undefined ? this.silences + 1 : 0;
    // A stream that was read still has its newest segment: where nothing comes of it the broker is slow.
    const isEmpty = session.nextOffset === 0 && this.silences >= EMPTINESS_EVIDENCE;
    // Nothing is known of a stream before it has shown that it is the cursor's.
    const known = session.isVerified || cursor.nextOffset === 0;
    this.measuredFrom = known && (isRead ?? isEmpty) ? startedAt : undefined;
    this.progress.measured(cursor.partition, this.backlog);
    const { quietSince } = session;
    if (this.backlog > 0 && quietSince !== undefined && performance.now() - quietSince > STALLED_MS) {
      return session.stop({ reason: 'stalled' });
    }
    if (!known) return this.doubt();
  }

  private newestChunk(): Promise<number | undefined> {
    return this.onChannel((channel) => probeStream(channel, this.stream, 'last', PROBE_WAIT_MS));
  }

  /**
   * Sets the backlog, which is at least so many messages, and answers whether all up to the end of the newest chunk is
   * committed. That nothing comes does not show it, because the broker delivers no more of a chunk than may be
   * unacknowledged and can be late with the rest: it is asked on a channel that has nothing outstanding.
   */
  private async compareWith(newestChunk: number): Promise<boolean> {
    const { nextOffset } = this.session;
    this.backlog = Math.max(0, newestChunk + 1 - nextOffset);
    if (this.backlog > 0) return false;
    if (this.chunkEnd?.chunk === newestChunk && this.chunkEnd.nextOffset === nextOffset) return true;
    const more = await this.onChannel((channel) =>
      hasNeighbour(channel, this.stream, nextOffset - 1, PROBE_WAIT_MS),
    );
    // Counted when the next measurement finds it again: it may have come just now, and be on its way to a commit.
    const isWaiting = more === true && this.session.nextOffset === nextOffset;
    if (isWaiting && this.waitingFrom === nextOffset) this.backlog = 1;
    this.waitingFrom = isWaiting ? nextOffset : undefined;
    if (more !== false) return false;
    // The newest chunk of a replica that is behind is an earlier one, and it may have caught up while it was asked.
    const isNewest = (await this.newestChunk()) === newestChunk;
    if (isNewest) this.chunkEnd = { chunk: newestChunk, nextOffset };
    return isNewest;
  }

  /**
   * The message below the cursor is asked for first, and a stream that has it delivers it. Where it ends below the cursor
   * it is another stream, or this node's replica of it is behind: see `RECREATION`. That nothing is delivered at all
   * shows neither, because brokers can be slow.
   */
  private async doubt(): Promise<void> {
    const newest = await this.onChannel((channel) => newestOffset(channel, this.stream, PROBE_WAIT_MS));
    if (newest === undefined || this.session.isVerified) return;
    const { partition, nextOffset: offset } = this.cursor;
    if (newest >= offset - 1) {
      this.endBelow = undefined;
      return;
    }
    if (!this.endBelow) {
      const context = { partition, offset, newest };
      this.logger.warn(
        context,
        'The stream ends below the cursor: a replica that is behind, or another stream',
      );
    }
    if (this.endBelow?.newest !== newest) this.endBelow = { newest, since: performance.now() };
    const isUnchanged = performance.now() - this.endBelow.since >= RECREATION.unchangedMs;
    if (isUnchanged || (await this.hasYounger(newest))) await this.session.stop({ reason: 'recreated' });
  }

  /** Whether a message up to `newest`, below the cursor, was written after the cursor's last commit. */
  private async hasYounger(newest: number): Promise<boolean> {
    const { committedAt, lastMessageHash } = this.cursor;
    // Behind a gap the cursor stands above messages that were not committed.
    if (!committedAt || !lastMessageHash) return false;
    const instant = committedAt.getTime() + RECREATION.clocksApartMs;
    const first = await this.onChannel((channel) =>
      firstOffsetSince(channel, this.stream, instant, PROBE_WAIT_MS),
    );
    // Without any it is the next one that a replica catches up on, which was not there before.
    return first !== undefined && first <= newest;
  }

  private async onChannel<Result>(work: (channel: Channel) => Promise<Result>): Promise<Result> {
    const channel = await this.broker.openConsumingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    try {
      return await work(channel);
    } finally {
      await closeChannel(channel);
    }
  }

  /** Never two at a time of a kind, and one line for a row of failures. */
  private every(intervalMs: number, kind: 'renew' | 'measure', task: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      if (this.busy.has(kind) || this.session.isOver) return;
      this.busy.add(kind);
      try {
        await task();
        this.failing.delete(kind);
      } catch (err) {
        const context = { err, partition: this.cursor.partition, task: kind };
        if (!this.failing.has(kind) && !this.session.isOver)
          this.logger.warn(context, 'The upkeep of a partition fails, trying again');
        this.failing.add(kind);
      } finally {
        this.busy.delete(kind);
      }
    };
    this.timers.push(setInterval(() => void run(), intervalMs));
  }
}
