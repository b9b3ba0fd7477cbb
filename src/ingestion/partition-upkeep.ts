import { Logger } from '@nestjs/common';
import type { Channel } from 'amqplib';
import type { Broker } from '../platform/messaging/broker';
import { closeChannel } from '../platform/messaging/close-channel';
import type { IngestionProgress } from './ingestion-progress';
import type { OwnedCursor, PartitionLeases } from './partition-leases';
import type { PartitionShares } from './partition-shares';
import { hasNeighbour, newestOffset, probeStream } from './stream-probe';
import type { StreamSession } from './stream-session';

const RENEW_EVERY_MS = 1_000;
const MEASURE_EVERY_MS = 1_000;
/** How long a stream may take to deliver a message that it has. */
const PROBE_WAIT_MS = 1_000;
/** Nothing has arrived for this long although the channel is open: everything there is has been read. */
const QUIET_MS = 1_000;
/** A backlog without a single delivery for this long is a consumer that the broker has forgotten. */
const STALLED_MS = 15_000;
/** So many measurements in a row must find that the stream ends below the cursor, lest a slow broker look like it. */
const RECREATION_EVIDENCE = 3;
/** So many measurements in a row must find nothing in a stream before it is taken for empty, for the same reason. */
const EMPTINESS_EVIDENCE = 3;

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
  private recreationEvidence = 0;
  private silences = 0;
  /** A cursor that was found to lie behind the last message of a chunk; chunks do not grow. */
  private chunkEnd: { readonly chunk: number; readonly nextOffset: number } | undefined;

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
    const newestChunk = await this.onChannel((channel) =>
      probeStream(channel, this.stream, 'last', PROBE_WAIT_MS),
    );
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
    // It may have come, and have been committed, while the broker was asked.
    if (more && this.session.nextOffset === nextOffset) this.backlog = 1;
    if (more === false) this.chunkEnd = { chunk: newestChunk, nextOffset };
    return more === false;
  }

  /**
   * The message below the cursor always exists while the stream does, because a stream never drops its newest segment,
   * and it is asked for first. Where it does not come although the newest message of the stream does, and that lies
   * below the cursor, the stream is another one.
   */
  private async doubt(): Promise<void> {
    const newest = await this.onChannel((channel) => newestOffset(channel, this.stream, PROBE_WAIT_MS));
    const endsBelow = !this.session.isVerified && (newest ?? -1) < this.cursor.nextOffset - 1;
    this.recreationEvidence = endsBelow ? this.recreationEvidence + 1 : 0;
    if (this.recreationEvidence >= RECREATION_EVIDENCE) await this.session.stop({ reason: 'recreated' });
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
        this.recreationEvidence = 0;
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
