import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { Config } from '../platform/config/config';
import type { Broker } from '../platform/messaging/broker';
import { closeChannel } from '../platform/messaging/close-channel';
import type { StreamChannel } from '../platform/messaging/stream-channel';
import type { IngestResult, UsageBatch } from '../shared/messages/ingest-usage.command';
import { BatchCommits } from './batch-commits';
import { decodeRulesOf } from './decode-rules';
import type { IngestionProgress } from './ingestion-progress';
import { dataGaps } from './ingestion.metrics';
import type { OwnedCursor, PartitionLeases } from './partition-leases';
import type { PartitionShares } from './partition-shares';
import { PartitionUpkeep } from './partition-upkeep';
import { prefetchAfterOverflow, prefetchOf, smallMessageBytes } from './prefetch';
import { probeStream } from './stream-probe';
import { type SessionEnd, StreamSession } from './stream-session';

const SHORT_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;
const LONGEST_WAIT_MS = 500;
/** For so many leases a partition is left to another replica before this one asks whether it could read it again. */
const LEASES_ASIDE = 3;
/** How long a stream may take to deliver its oldest message. */
const PROBE_WAIT_MS = 5_000;

/** What the readers of a process have in common. */
export interface ReaderSurroundings {
  readonly broker: Broker;
  readonly leases: PartitionLeases;
  readonly shares: PartitionShares;
  readonly config: Config;
  readonly progress: IngestionProgress;
  readonly ingest: (batch: UsageBatch) => Promise<IngestResult>;
}

/**
 * Reads one partition for as long as the process runs: waits until it may own the partition, reads from the cursor in
 * the database, and begins again from there whenever a session ends, whyever that is.
 */
export class PartitionReader {
  private readonly logger = new Logger(PartitionReader.name);
  private readonly stopping = new AbortController();
  private readonly commits: BatchCommits;
  private session: StreamSession | undefined;
  private running: Promise<void> = Promise.resolve();
  private prefetch: number;
  /** Since when no turn has read anything because the broker does not let it, by `performance.now()`. */
  private unreadableSince: number | undefined;

  constructor(
    private readonly partition: number,
    private readonly stream: string,
    private readonly surroundings: ReaderSurroundings,
  ) {
    const { config, ingest, progress } = surroundings;
    this.prefetch = prefetchOf(config);
    this.commits = new BatchCommits(partition, ingest, progress, this.stopping.signal);
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends the session after the batch that is being committed and gives the partition up. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.session?.stop({ reason: 'stopped' });
    await this.running;
  }

  private async run(): Promise<void> {
    const { leases, shares, progress } = this.surroundings;
    const waitMs = Math.min(LONGEST_WAIT_MS, leases.leaseMs / 4);
    for (let failures = 0; !this.stopping.signal.aborted;) {
      let fruitful: boolean | undefined;
      try {
        fruitful = await this.readOnce();
      } catch (err) {
        if (failures === 0)
          this.logger.warn(
            { err, partition: this.partition },
            'A partition cannot be read now, trying again',
          );
        fruitful = false;
      }
      if (fruitful === undefined) {
        this.unreadableSince = undefined;
        shares.giveUp(this.partition);
        progress.released(this.partition);
        await this.pause(waitMs);
        continue;
      }
      if (this.isUnreadable && !shares.isAlone) {
        await this.standAside();
        failures = 0;
        continue;
      }
      failures = fruitful ? 0 : failures + 1;
      await this.pause(Math.min(LONGEST_PAUSE_MS, SHORT_PAUSE_MS * 2 ** Math.min(failures, 8)));
    }
    shares.giveUp(this.partition);
    progress.released(this.partition);
  }

  /**
   * One turn of ownership and session. `undefined` when this replica may not own the partition now or the broker is
   * away; otherwise whether the turn has changed anything, so that the next one may begin at once.
   */
  private async readOnce(): Promise<boolean | undefined> {
    const { broker, leases, shares } = this.surroundings;
    if (!shares.take(this.partition)) return undefined;
    const channel = await broker.openConsumingChannel();
    if (!channel) return undefined;
    try {
      await broker.declareTopology(channel).catch(this.cannotRead);
    } finally {
      await closeChannel(channel);
    }
    const reading = await broker.openReadingChannel().catch(this.cannotRead);
    if (!reading) return undefined;
    try {
      const cursor = await leases.acquire(this.partition);
      if (!cursor) return undefined;
      return await this.readFrom(cursor, reading);
    } finally {
      await closeChannel(reading);
    }
  }

  private async readFrom(cursor: OwnedCursor, channel: StreamChannel): Promise<boolean | undefined> {
    const { broker, leases, shares, progress } = this.surroundings;
    const { partition, epoch, nextOffset: offset } = cursor;
    progress.owned(partition, cursor.dataThrough);
    this.logger.log({ partition, epoch, offset }, 'Reading a partition');
    const startedAt = performance.now();
    const session = this.openSession(channel, cursor);
    const upkeep = new PartitionUpkeep(this.stream, session, cursor, broker, leases, shares, progress);
    this.session = session;
    try {
      upkeep.start();
      // The process may have been told to stop while the partition was being acquired.
      if (this.stopping.signal.aborted) return undefined;
      await session.start().catch(this.cannotRead);
      const end = await session.ended;
      await session.stop(end);
      await this.conclude(cursor, session, end);
      if (end.reason === 'stopped') return undefined;
      const isFruitful = session.nextOffset > offset || end.reason === 'truncated' || end.reason === 'recreated'; // prettier-ignore
      const wasUp = end.reason !== 'stalled' && performance.now() - startedAt >= leases.leaseMs;
      this.unreadableSince = isFruitful || wasUp ? undefined : (this.unreadableSince ?? performance.now());
      return isFruitful;
    } finally {
      upkeep.stop();
      this.session = undefined;
      await leases.release(cursor).catch(() => undefined);
    }
  }

  private readonly cannotRead = (error: unknown): never => {
    this.unreadableSince ??= performance.now();
    throw error;
  };

  /** An owner that is silent for a lease is replaced; so is one that has read nothing for as long. */
  private get isUnreadable(): boolean {
    return (
      this.unreadableSince !== undefined &&
      performance.now() - this.unreadableSince >= this.surroundings.leases.leaseMs
    );
  }

  /**
   * Leaves the partition to other replicas until it can be read from here again: the port of the stream protocol may be
   * blocked for this one alone, or the node it is connected to have no running replica of the stream.
   */
  private async standAside(): Promise<void> {
    const { leases, shares, progress } = this.surroundings;
    const { partition } = this;
    this.logger.error({ partition }, 'A partition cannot be read from here, leaving it to another replica');
    progress.released(partition);
    await shares.leave(partition);
    do await this.pause(leases.leaseMs * LEASES_ASIDE);
    while (!this.stopping.signal.aborted && !(await this.isReadable()));
    this.unreadableSince = undefined;
    shares.rejoin(partition);
  }

  /** Whether the broker lets this replica begin to read. */
  private async isReadable(): Promise<boolean> {
    const channel = await this.surroundings.broker.openReadingChannel().catch(() => undefined);
    if (!channel) return false;
    try {
      await channel.prefetch(1);
      await channel.consume(this.stream, () => undefined, {
        noAck: false,
        arguments: { 'x-stream-offset': 'first' },
      });
      return true;
    } catch {
      return false;
    } finally {
      await closeChannel(channel);
    }
  }

  private openSession(channel: StreamChannel, cursor: OwnedCursor): StreamSession {
    const { config } = this.surroundings;
    const settings = {
      stream: this.stream,
      batchSize: config.ingestBatchSize,
      batchMaxWaitMs: config.ingestBatchMaxWait,
      bufferBytes: config.ingestBufferBytes,
      prefetch: this.prefetch,
      smallMessageBytes: smallMessageBytes(config, this.prefetch),
      decodeRules: decodeRulesOf(config),
    };
    const session: StreamSession = new StreamSession(
      channel,
      cursor,
      settings,
      (batch) => this.commits.commit(batch, () => session.isOver),
      () => this.oldestOffset(),
    );
    return session;
  }

  private async oldestOffset(): Promise<number | undefined> {
    const channel = await this.surroundings.broker.openConsumingChannel();
    if (!channel) return undefined;
    try {
      return await probeStream(channel, this.stream, 'first', PROBE_WAIT_MS);
    } finally {
      await closeChannel(channel);
    }
  }

  /** Draws the consequence of a session's end before the next one begins. */
  private async conclude(owned: OwnedCursor, session: StreamSession, end: SessionEnd): Promise<void> {
    const { config, leases } = this.surroundings;
    const { partition, epoch } = owned;
    const cursor = { ...owned, nextOffset: session.nextOffset };
    const context = { partition, epoch, offset: session.nextOffset };
    switch (end.reason) {
      case 'truncated':
        this.logger.error(
          { ...context, firstOffset: end.firstOffset },
          'The stream has dropped messages that were never read',
        );
        if (await leases.recordTruncation(cursor, end.firstOffset))
          dataGaps.inc({ partition, kind: 'truncated' });
        return;
      case 'recreated':
        this.logger.error(
          context,
          'The stream is another one than the cursor belongs to, reading it from its start',
        );
        if (await leases.recordRecreation(cursor)) dataGaps.inc({ partition, kind: 'recreated' });
        return;
      case 'overflowed':
        this.prefetch = prefetchAfterOverflow(config, this.prefetch, end.meanMessageBytes);
        this.logger.warn(
          { ...context, prefetch: this.prefetch },
          'Messages are larger than the buffer allows, asking for fewer at a time',
        );
        return;
      case 'shrunken':
        this.prefetch = prefetchOf(config, end.meanMessageBytes);
        this.logger.log({ ...context, prefetch: this.prefetch }, 'Messages are small again, asking for more');
        return;
      case 'stalled':
        this.logger.error(context, 'The broker delivers nothing although there is a backlog, reading again');
        return;
      case 'failed':
        this.logger.warn({ ...context, err: end.error }, 'A session ended, reading again from the cursor');
        return;
      case 'closed':
      case 'stopped':
        this.logger.log(context, 'A session ended');
        return;
      default:
        end satisfies never;
    }
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
