import { Optional } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Principal } from '../../../access/principal';
import { Config } from '../../../platform/config/config';
import { Broker } from '../../../platform/messaging/broker';
import { closeChannel } from '../../../platform/messaging/close-channel';
import { streamsOf } from '../../../platform/messaging/topology';
import { Clock } from '../../../shared/clock';
import { AppError } from '../../../shared/errors';
import { INSTANT_FORMS, parseInstant } from '../../../shared/time-window';
import { TimeZone } from '../../../shared/time-zone';
import { probeStream } from '../../stream-probe';
import type { Replay } from '../replay.entity';
import { Replays } from '../replays.repository';
import { RereadBatch } from '../reread-batch';

const PROBE_WAIT_MS = 2_000;

/** Where a replay begins: one of the two. */
export interface ReplayStart {
  readonly offset: number | null;
  /** In one of `INSTANT_FORMS`. */
  readonly time: string | null;
}

/** Asks for a part of a stream to be read again, up to its cursor; while the same is under way, answers that. */
export class RequestReplayCommand extends Command<Replay> {
  constructor(
    readonly principal: Principal,
    readonly partition: number,
    readonly start: ReplayStart,
  ) {
    super();
  }
}

/** Throws `AppError`: `invalid` or `unanswerable` for a part that cannot be read, `conflict` beside another replay. */
@CommandHandler(RequestReplayCommand)
export class RequestReplayHandler implements ICommandHandler<RequestReplayCommand> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly replays: Replays,
    private readonly batch: RereadBatch,
    @Optional() private readonly broker?: Broker,
  ) {}

  async execute({ principal, partition, start }: RequestReplayCommand): Promise<Replay> {
    const { ingestPartitions, amqpUrl } = this.config;
    if (amqpUrl === null) {
      throw new AppError('unanswerable', 'This deployment takes events over HTTP only (AMQP_URL is not set): there is no stream to read again.'); // prettier-ignore
    }
    if (partition >= ingestPartitions) {
      throw invalid('/partition', `must be a whole number from 0 to ${ingestPartitions - 1} (INGEST_PARTITIONS).`); // prettier-ignore
    }
    const fromTime = this.timeOf(start);
    const { incarnation, nextOffset } = await this.batch.cursor(partition);
    if (start.offset !== null) await this.assertReadable(partition, start.offset, nextOffset);
    return this.replays.add({
      partition,
      incarnation,
      fromOffset: start.offset === null ? null : String(start.offset),
      fromTime,
      toOffset: String(nextOffset),
      requestedBy: principal.id,
    });
  }

  private timeOf({ offset, time }: ReplayStart): Date | null {
    if ((offset === null) === (time === null)) {
      throw invalid('/fromOffset', 'must be given, or /fromTime, and not both.');
    }
    if (time === null) return null;
    const now = this.clock.now().getTime();
    const instant = parseInstant(time, { now, zone: TimeZone.UTC, side: 'start' });
    if (instant === undefined) throw invalid('/fromTime', `must be ${INSTANT_FORMS}.`);
    if (instant >= now) throw invalid('/fromTime', 'must be in the past.');
    return new Date(instant);
  }

  private async assertReadable(partition: number, offset: number, nextOffset: number): Promise<void> {
    if (offset >= nextOffset) {
      throw invalid('/fromOffset', nextOffset === 0 ? 'cannot be given yet: nothing was read of the partition.' : `must be at most ${nextOffset - 1}: what comes after it is being read anyway.`); // prettier-ignore
    }
    const first = await this.firstOffset(partition);
    if (first === undefined || offset >= first) return;
    throw new AppError(
      'unanswerable',
      `The stream begins at offset ${first} by now: older messages are no longer kept.`,
      {
        violations: [{ pointer: '/fromOffset', detail: `must be from ${first} to ${nextOffset - 1}.` }],
      },
    );
  }

  /** `undefined` while the broker is away: then the reading finds out. */
  private async firstOffset(partition: number): Promise<number | undefined> {
    const channel = await this.broker?.openConsumingChannel().catch(() => undefined);
    if (!channel) return undefined;
    try {
      const stream = streamsOf(this.config.ingestPartitions)[partition] ?? '';
      return await probeStream(channel, stream, 'first', PROBE_WAIT_MS).catch(() => undefined);
    } finally {
      await closeChannel(channel);
    }
  }
}

function invalid(pointer: string, detail: string): AppError {
  return new AppError('invalid', `${pointer}: ${detail}`, { violations: [{ pointer, detail }] });
}
