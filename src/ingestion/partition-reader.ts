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
        shares.giveUp(this.partition);
        progress.released(this.partition);
        await this.pause(waitMs);
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
      await broker.declareTopology(channel);
    } finally {
      await closeChannel(channel);
    }
    const reading = await broker.openReadingChannel();
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
    const session = this.openSession(channel, cursor);
    const upkeep = new PartitionUpkeep(this.stream, session, cursor, broker, leases, shares, progress);
    this.session = session;
    try {
      upkeep.start();
      // The process may have been told to stop while the partition was being acquired.
      if (this.stopping.signal.aborted) return undefined;
      await session.start();
      const end = await session.ended;
      await session.stop(end);
      await this.conclude(cursor, session, end);
      if (end.reason === 'stopped') return undefined;
      return session.nextOffset > offset || end.reason === 'truncated' || end.reason === 'recreated';
    } finally {
      upkeep.stop();
      this.session = undefined;
      await leases.release(cursor).catch(() => undefined);
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
