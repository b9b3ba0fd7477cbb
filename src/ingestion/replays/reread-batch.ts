import { Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { IngestPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { IngestUsageCommand } from '../../shared/messages/ingest-usage.command';
import { rawHorizon } from '../../shared/raw-horizon';
import type { DecodedMessage } from '../../shared/usage-event/decode-usage-message';
import type { PositionedEvent } from '../../shared/usage-event/usage-event';
import { toReject } from '../unstorable-events';
import { positionKey } from '../usage-batch.store';
import type { Replay, ReplayCounts } from './replay.entity';

const readCursor = sql('ingestion/read-cursor');
const findQuarantined = sql('ingestion/find-quarantined-positions');
const findStored = sql('ingestion/find-stored-events');
const readRawFrom = sql('quarantine/raw-horizon');

/** Consecutive messages of the stream, decoded with no late horizon. */
export interface RereadMessages {
  readonly messages: readonly DecodedMessage[];
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface CursorState {
  readonly epoch: number;
  readonly incarnation: number;
  readonly nextOffset: number;
}

/**
 * Takes in messages that were read before. What is stored or quarantined already stays as it is, whatever was decided
 * about it since. What is not there and is older than the late horizon is quarantined as `too_late`, as on any arrival;
 * what is older than raw data is not touched, because nothing tells whether it was counted.
 */
@Injectable()
export class RereadBatch {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: IngestPool,
    private readonly commands: CommandBus,
  ) {}

  /** Throws `unanswerable` when nothing has read the partition yet. */
  async cursor(partition: number): Promise<CursorState> {
    const { rows } = await this.pool.query<{ epoch: number; incarnation: number; next_offset: string }>({
      ...readCursor,
      values: [partition],
    });
    const [row] = rows;
    if (!row) throw new AppError('unanswerable', `Partition ${partition} was never read, so there is nothing to read again.`); // prettier-ignore
    return { epoch: row.epoch, incarnation: row.incarnation, nextOffset: Number(row.next_offset) };
  }

  /** Throws as `IngestUsageCommand` does. */
  async take({ partition, incarnation }: Replay, epoch: number, read: RereadMessages): Promise<ReplayCounts> {
    const { messages, firstOffset, lastOffset } = read;
    const known = await this.quarantinedPositions(partition, incarnation, firstOffset, lastOffset);
    const isKnown = ({ offset, index }: { offset: number | null; index: number }) =>
      known.has(positionKey(offset, index));
    const decoded = messages.flatMap(({ events }) => events);
    const unknown = decoded.filter((event) => !isKnown(event));
    const rejects = messages.flatMap((message) => message.rejects).filter((reject) => !isKnown(reject));
    const { inTime, late, expired } = await this.byAge(unknown);
    const counted = await this.storedPlaces(late);
    const tooLate = late
      .filter((_, place) => !counted.has(place))
      .map((event) =>
        toReject(event, 'too_late', '/occurredAt is before the late horizon of this deployment.'),
      );
    const received = messages.reduce((sum, { events, rejects: refused }) => sum + events.length + refused.length, 0); // prettier-ignore
    const dropped = { messages: messages.length, received, known: received - unknown.length - rejects.length, expired }; // prettier-ignore
    if (inTime.length + rejects.length + tooLate.length === 0) {
      return { ...dropped, stored: 0, duplicates: counted.size, conflicts: 0, quarantined: 0 };
    }
    const result = await this.commands.execute(
      new IngestUsageCommand({
        source: {
          kind: 'stream',
          partition,
          epoch,
          incarnation,
          firstOffset,
          lastOffset,
          lastMessageHash: Buffer.alloc(0),
          expectedOffset: firstOffset,
          replay: true,
        },
        receivedAt: this.clock.now(),
        messages: messages.length,
        events: inTime,
        rejects: [...rejects, ...tooLate],
        unknownFields: messages.reduce((sum, { unknownFields }) => sum + unknownFields, 0),
      }),
    );
    const { stored, duplicates, conflicts, quarantined } = result;
    return { ...dropped, stored, duplicates: duplicates + counted.size, conflicts, quarantined };
  }

  private async quarantinedPositions(...values: [number, number, number, number]): Promise<Set<string>> {
    const { rows } = await this.pool.query<{ stream_offset: string; position: number }>({
      ...findQuarantined,
      values,
    });
    return new Set(rows.map(({ stream_offset, position }) => positionKey(stream_offset, position)));
  }

  private async byAge(events: readonly PositionedEvent[]) {
    const now = this.clock.now().getTime();
    const { rows } = await this.pool.query<{ raw_from: Date | null }>(readRawFrom);
    const earliest = rawHorizon(rows[0]?.raw_from ?? null, this.config.rawRetention, now);
    const kept = events.filter(({ event }) => event.occurredAt >= earliest);
    const horizon = now - this.config.lateHorizon;
    return {
      inTime: kept.filter(({ event }) => event.occurredAt >= horizon),
      late: kept.filter(({ event }) => event.occurredAt < horizon),
      expired: events.length - kept.length,
    };
  }

  private async storedPlaces(events: readonly PositionedEvent[]): Promise<Set<number>> {
    if (events.length === 0) return new Set();
    const { rows } = await this.pool.query<{ index: number }>({
      ...findStored,
      values: [
        events.map(({ event }) => event.orgId),
        events.map(({ event }) => event.eventId),
        events.map(({ event }) => new Date(event.occurredAt)),
      ],
    });
    return new Set(rows.map(({ index }) => index));
  }
}
