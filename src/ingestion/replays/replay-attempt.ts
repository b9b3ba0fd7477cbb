import { Injectable, Logger } from '@nestjs/common';
import type { Channel } from 'amqplib';
import { Config } from '../../platform/config/config';
import { Broker } from '../../platform/messaging/broker';
import { closeChannel } from '../../platform/messaging/close-channel';
import { streamsOf } from '../../platform/messaging/topology';
import { AppError } from '../../shared/errors';
import { PartitionLostError } from '../../shared/messages/ingest-usage.command';
import { decodeRulesOf } from '../decode-rules';
import { newestOffset, probeStream } from '../stream-probe';
import type { Replay } from './replay.entity';
import { REPLAY_LEASE_MS, Replays } from './replays.repository';
import { RereadBatch, type RereadMessages } from './reread-batch';
import { type ReplayEnd, StreamReplay } from './stream-replay';

/** Messages on their way at a time: few, so that the stream's own reader keeps its share. */
const PREFETCH = 2_000;
const QUIET_MS = 3_000;
const PROBE_QUIET_MS = 1_000;
/** How long a stream may take to deliver its oldest message. */
const PROBE_WAIT_MS = 5_000;
/** The owner of a partition changes in a moment; more often than this is no change of owner. */
const MAX_OWNER_CHANGES = 20;
/** Everything is decoded; what is too late is decided by what is stored. */
const NO_HORIZON = Number.MAX_SAFE_INTEGER;

/** The replay was cancelled, or another process has it. */
class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** Makes one attempt at a replay that was claimed, from where the last one got to. */
@Injectable()
export class ReplayAttempt {
  private readonly logger = new Logger(ReplayAttempt.name);

  constructor(
    private readonly config: Config,
    private readonly broker: Broker,
    private readonly replays: Replays,
    private readonly batch: RereadBatch,
  ) {}

  /** Throws `unanswerable` for what no further attempt can change, and anything else for what one may. */
  async make(replay: Replay, signal: AbortSignal): Promise<'succeeded' | 'superseded' | 'released'> {
    const lost = new AbortController();
    const heartbeat = setInterval(() => {
      this.replays.heartbeat(replay).then(
        (ours) => ours || lost.abort(),
        (err: unknown) => this.logger.warn({ err, replayId: replay.replayId }, 'A replay could not be kept'),
      );
    }, REPLAY_LEASE_MS / 6);
    try {
      await this.read(replay, AbortSignal.any([signal, lost.signal]));
      if (signal.aborted) return 'released';
      return !lost.signal.aborted && (await this.replays.succeed(replay)) ? 'succeeded' : 'superseded';
    } catch (error) {
      if (error instanceof SupersededError) return 'superseded';
      throw error;
    } finally {
      clearInterval(heartbeat);
    }
  }

  private async read(replay: Replay, signal: AbortSignal): Promise<void> {
    const position = { next: replay.nextOffset === null ? undefined : Number(replay.nextOffset) };
    const take = async (messages: RereadMessages): Promise<void> => {
      if (messages.messages.length === 0) return;
      const counts = await this.takeAsOwner(replay, messages);
      position.next = messages.lastOffset + 1;
      if (!(await this.replays.advance(replay, position.next, counts)))
        throw new SupersededError('The replay is not ours any more.');
    };
    for (let prefetch = PREFETCH; !signal.aborted;) {
      const before = position.next;
      const end = await this.session(replay, position.next, prefetch, take).then((session) => session.run(signal)); // prettier-ignore
      if (end === 'done' || (end === 'quiet' && (await this.isAllRead(replay, position.next)))) return;
      if (end === 'overflowed') prefetch = Math.max(1, Math.floor(prefetch / 4));
      else if (end !== 'stopped' && position.next === before) throw new Error(`The stream delivers nothing: ${end satisfies ReplayEnd}.`); // prettier-ignore
    }
  }

  private async session(
    { partition, fromOffset, fromTime, toOffset }: Replay,
    nextOffset: number | undefined,
    prefetch: number,
    take: (read: RereadMessages) => Promise<void>,
  ): Promise<StreamReplay> {
    const { ingestBatchSize, ingestBufferBytes, ingestPartitions } = this.config;
    const stream = streamsOf(ingestPartitions)[partition];
    if (stream === undefined)
      throw new AppError('unanswerable', `There is no partition ${partition} any more.`);
    const settings = {
      stream,
      from: fromOf(nextOffset, fromOffset, fromTime),
      toOffset: Number(toOffset),
      batchSize: ingestBatchSize,
      bufferBytes: ingestBufferBytes,
      prefetch,
      decodeRules: { ...decodeRulesOf(this.config), lateHorizon: NO_HORIZON },
      quietMs: QUIET_MS,
    };
    return new StreamReplay(await this.openChannel(), settings, take, (from, to) =>
      this.explainSkip(stream, from, to),
    );
  }

  /**
   * Offsets skip where a segment begins, too. What is missing was there to be read if the stream still has a message that
   * is as old.
   */
  private async explainSkip(stream: string, from: number, to: number): Promise<void> {
    const channel = await this.openChannel();
    try {
      const oldest = await probeStream(channel, stream, 'first', PROBE_WAIT_MS);
      if (oldest === undefined) throw new Error('The broker did not tell how far back its stream reaches.');
      if (oldest <= from) return;
      throw new AppError('unanswerable', `The stream has dropped its messages from offset ${from} to ${to - 1}: they cannot be read again. What lies behind them can, by a replay of its own.`); // prettier-ignore
    } finally {
      await closeChannel(channel);
    }
  }

  /** Whoever owns the partition now: a batch is only taken under the epoch of the moment. */
  private async takeAsOwner(replay: Replay, messages: RereadMessages) {
    for (let changes = 0; ; changes += 1) {
      const { epoch, incarnation } = await this.batch.cursor(replay.partition);
      if (incarnation !== replay.incarnation) {
        throw new AppError('unanswerable', 'The stream is another one than when the replay was asked for: ask again.'); // prettier-ignore
      }
      try {
        return await this.batch.take(replay, epoch, messages);
      } catch (error) {
        if (!(error instanceof PartitionLostError) || changes === MAX_OWNER_CHANGES) throw error;
      }
    }
  }

  /**
   * Whether there is nothing of what was asked for: from a time after the newest message. A stream that ends before what
   * was asked for is read through a replica that is behind.
   */
  private async isAllRead(
    { partition, fromOffset, toOffset }: Replay,
    nextOffset: number | undefined,
  ): Promise<boolean> {
    if (nextOffset !== undefined || fromOffset !== null) return false;
    const channel = await this.openChannel();
    try {
      const stream = streamsOf(this.config.ingestPartitions)[partition] ?? '';
      const newest = await newestOffset(channel, stream, PROBE_QUIET_MS);
      return (newest ?? -1) >= Number(toOffset) - 1;
    } finally {
      await closeChannel(channel);
    }
  }

  private async openChannel(): Promise<Channel> {
    const channel = await this.broker.openConsumingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    return channel;
  }
}

function fromOf(next: number | undefined, fromOffset: string | null, fromTime: Date | null) {
  if (next !== undefined) return { offset: next };
  if (fromOffset !== null) return { offset: Number(fromOffset) };
  return { time: fromTime?.getTime() ?? 0 };
}
