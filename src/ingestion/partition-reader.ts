import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { Channel } from 'amqplib';
import type { Config } from '../platform/config/config';
import type { Broker } from '../platform/messaging/broker';
import { declareTopology } from '../platform/messaging/topology';
import { AppError } from '../shared/errors';
import {
  type IngestResult,
  PartitionLostError,
  type UsageBatch,
} from '../shared/messages/ingest-usage.command';
import type { DecodeRules } from '../shared/usage-event/decode-usage-message';
import type { IngestionProgress } from './ingestion-progress';
import type { OwnedCursor, PartitionLeases } from './partition-lease';
import { newestOffset, probeStream } from './stream-probe';
import { type SessionEnd, StreamSession } from './stream-session';

const PROBE_WAIT_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** Nothing arrived for this long although the channel is open: everything there is has been read. */
const IDLE_MS = 1_000;
/** Whole parts of the buffer that one prefetch may fill, because RabbitMQ overshoots the prefetch of streams. */
const PREFETCH_SHARE = 4;

/**
 * Reads one partition for as long as the process runs: waits until it may own the partition, reads from the cursor in
 * the database, and begins again from there whenever a session ends, whyever that is.
 */
export class PartitionReader {
  private readonly logger = new Logger(PartitionReader.name);
  private readonly stopping = new AbortController();
  private session: StreamSession | undefined;
  private running: Promise<void> = Promise.resolve();
  private prefetch: number;

  constructor(
    private readonly partition: number,
    private readonly stream: string,
    private readonly broker: Broker,
    private readonly leases: PartitionLeases,
    private readonly config: Config,
    private readonly decodeRules: DecodeRules,
    private readonly progress: IngestionProgress,
    private readonly ingest: (batch: UsageBatch) => Promise<IngestResult>,
  ) {
    this.prefetch = Math.min(65_535, 3 * config.ingestBatchSize);
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends the session after the batch that is being committed and gives the partition up. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.session?.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        const end = await this.readOnce();
        failures = end === undefined || end.reason === 'failed' ? failures + 1 : 0;
      } catch (err) {
        failures += 1;
        this.logger.warn({ err, partition: this.partition }, 'A partition cannot be read now, trying again');
      }
      await this.pause(Math.min(LONGEST_PAUSE_MS, failures === 0 ? 50 : 250 * 2 ** Math.min(failures, 6)));
    }
  }

  /** One turn of ownership and session; `undefined` when the broker is away or another replica owns the partition. */
  private async readOnce(): Promise<SessionEnd | undefined> {
    const channel = await this.broker.openConsumingChannel();
    if (!channel) return undefined;
    channel.on('error', (error: unknown) => this.broker.noteDeclarationFailure(error));
    await declareTopology(channel, this.config);
    const cursor = await this.leases.acquire(this.partition);
    if (!cursor) {
      await channel.close().catch(() => undefined);
      return undefined;
    }
    this.progress.owned(this.partition);
    this.logger.log(
      { partition: this.partition, epoch: cursor.epoch, offset: cursor.nextOffset },
      'Reading a partition',
    );
    const session = this.openSession(channel, cursor);
    const upkeep = this.keepUp(session, cursor);
    try {
      await session.start();
      const end = await session.ended;
      await session.stop(end);
      await this.conclude(cursor, session, end);
      return end;
    } finally {
      clearInterval(upkeep);
      this.session = undefined;
      this.progress.released(this.partition);
      await this.leases.release(cursor).catch(() => undefined);
    }
  }

  private openSession(channel: Channel, cursor: OwnedCursor): StreamSession {
    const settings = {
      stream: this.stream,
      batchSize: this.config.ingestBatchSize,
      batchMaxWaitMs: this.config.ingestBatchMaxWait,
      bufferBytes: this.config.ingestBufferBytes,
      prefetch: this.prefetch,
      decodeRules: this.decodeRules,
    };
    const session: StreamSession = new StreamSession(channel, cursor, settings, (batch) =>
      this.commit(session, batch),
    );
    this.session = session;
    return session;
  }

  /** The same batch until it is stored, or until the session is over: nothing is skipped, nothing acknowledged. */
  private async commit(session: StreamSession, batch: UsageBatch): Promise<IngestResult> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const result = await this.ingest(batch);
        this.progress.committed(this.partition);
        return result;
      } catch (error) {
        if (error instanceof PartitionLostError || session.isOver) throw error;
        const foreseen = error instanceof AppError && error.kind === 'unavailable';
        const reason = error instanceof Error ? error.message : String(error);
        this.progress.failing(this.partition, reason);
        if (attempt === 0 || !foreseen) {
          const context = { err: error, partition: this.partition, offset: batch.source };
          if (foreseen) this.logger.warn(context, 'A batch cannot be committed now, trying it again');
          else this.logger.error(context, 'A batch failed for a reason nobody foresaw, trying it again');
        }
        await this.pause(
          Math.min(LONGEST_PAUSE_MS, 100 * 2 ** Math.min(attempt, 7)) * (0.5 + Math.random() / 2),
        );
      }
    }
  }

  /** Renews the lease, measures the backlog, and finds out when the stream is not the cursor's any more. */
  private keepUp(session: StreamSession, cursor: OwnedCursor): NodeJS.Timeout {
    let busy = false;
    let backlog = 0;
    let measured = false;
    const upkeep = async (): Promise<void> => {
      const caughtUp = measured && backlog === 0 && session.idleMs >= IDLE_MS;
      if (!(await this.leases.renew(cursor, backlog, caughtUp))) return session.stop({ reason: 'closed' });
      const newest = await this.onChannel((channel) =>
        probeStream(channel, this.stream, 'last', PROBE_WAIT_MS),
      );
      backlog = newest === undefined ? 0 : Math.max(0, newest + 1 - session.nextOffset);
      measured = true;
      this.progress.measured(this.partition, backlog);
      if (!session.isVerified && cursor.nextOffset > 0 && (await this.isRecreated(session, cursor))) {
        await session.stop({ reason: 'recreated' });
      }
    };
    return setInterval(
      () => {
        if (busy || session.isOver) return;
        busy = true;
        upkeep()
          .catch((err: unknown) =>
            this.logger.warn({ err, partition: this.partition }, 'A lease was not renewed'),
          )
          .finally(() => (busy = false));
      },
      Math.min(1_000, this.config.ingestLease / 4),
    );
  }

  /**
   * The message below the cursor always exists while the stream does, because a stream never drops its newest segment,
   * and it is asked for first. Where it does not come although the newest message of the stream does, and that lies
   * below the cursor, the stream is another one.
   */
  private async isRecreated(session: StreamSession, { nextOffset }: OwnedCursor): Promise<boolean> {
    const newest = await this.onChannel((channel) => newestOffset(channel, this.stream, PROBE_WAIT_MS));
    return !session.isVerified && !session.isOver && (newest ?? -1) < nextOffset - 1;
  }

  private async onChannel<Result>(work: (channel: Channel) => Promise<Result>): Promise<Result> {
    const channel = await this.broker.openConsumingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    channel.on('error', () => undefined);
    try {
      return await work(channel);
    } finally {
      await channel.close().catch(() => undefined);
    }
  }

  /** Draws the consequence of a session's end before the next one begins. */
  private async conclude(cursor: OwnedCursor, session: StreamSession, end: SessionEnd): Promise<void> {
    const context = { partition: this.partition, epoch: cursor.epoch, offset: session.nextOffset };
    switch (end.reason) {
      case 'truncated':
        this.logger.error({ ...context, firstOffset: end.firstOffset }, 'The stream has dropped messages that were never read'); // prettier-ignore
        return this.leases.recordTruncation(cursor, end.firstOffset);
      case 'recreated':
        this.logger.error(
          context,
          'The stream is another one than the cursor belongs to, reading it from its start',
        );
        return this.leases.recordRecreation(cursor);
      case 'overloaded': {
        const fitting = this.config.ingestBufferBytes / PREFETCH_SHARE / end.meanMessageBytes;
        this.prefetch = Math.max(1, Math.floor(fitting));
        this.logger.warn({ ...context, prefetch: this.prefetch }, 'Messages are larger than the buffer allows, asking for fewer at a time'); // prettier-ignore
        return;
      }
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
