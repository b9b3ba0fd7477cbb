import { Command } from '@nestjs/cqrs';
import type { ConsumedMessage, TraceOrigin } from './trace-origin';
import type { PositionedEvent, PositionedReject } from '../usage-event/usage-event';

/** A batch read from a stream partition by the replica that owns it in this epoch. */
export interface StreamSource {
  readonly kind: 'stream';
  readonly partition: number;
  /** The owner's epoch: when the cursor has another one, nothing of the batch is stored. */
  readonly epoch: number;
  readonly incarnation: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** SHA-256 of the body of the message at `lastOffset`. */
  readonly lastMessageHash: Buffer;
  /** The cursor's offset when this batch was opened; the batch is refused when it has moved meanwhile. */
  readonly expectedOffset: number;
  /** True while an operator reads an older part of the stream again: the cursor does not move. */
  readonly replay: boolean;
}

/** A batch that came over HTTP without a broker; stored under partition 0. */
export interface DirectSource {
  readonly kind: 'direct';
}

/** Events that an operator admits one by one; stored under partition 0, whoever owns that. */
export interface RepairSource {
  readonly kind: 'repair';
}

/** What one transaction takes in. */
export interface UsageBatch {
  readonly source: StreamSource | DirectSource | RepairSource;
  /** The arrival of all that is in it, at or after it was received: a batch that is tried again arrives again. */
  readonly receivedAt: Date;
  readonly messages: number;
  readonly events: readonly PositionedEvent[];
  readonly rejects: readonly PositionedReject[];
  /** Unknown fields ignored in the batch, counted. */
  readonly unknownFields: number;
  /** `traceparent` of the first publishers whose messages carried one, each once. */
  readonly publishers?: readonly string[];
}

export type EventOutcome = 'stored' | 'duplicate' | 'conflict' | 'quarantined';

export interface IngestResult {
  readonly received: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly quarantined: number;
  /** Events that fell into a window that was already rolled up. */
  readonly late: number;
  /** Outcome of each of `batch.events`, in its order. */
  readonly outcomes: readonly EventOutcome[];
}

/**
 * Stores one batch: cursor, keys, events, quarantine, ledger and dirty windows in one transaction, or nothing.
 *
 * Throws `PartitionLostError` when another replica owns the partition or the cursor is elsewhere: the caller drops
 * the batch and starts again from the cursor. Throws `AppError('unavailable')` when the database cannot be reached
 * or refuses for now: the caller retries the same batch and acknowledges nothing.
 */
export class IngestUsageCommand extends Command<IngestResult> implements ConsumedMessage {
  constructor(readonly batch: UsageBatch) {
    super();
  }

  /** `undefined` for what was sent in a request: that is part of the request's trace. */
  get traceOrigin(): TraceOrigin | undefined {
    const { source, messages, publishers = [] } = this.batch;
    if (source.kind !== 'stream') return undefined;
    return {
      name: `process analytics.usage:usage.#:${source.partition}`,
      attributes: {
        'messaging.system': 'rabbitmq',
        'messaging.operation.type': 'process',
        'messaging.batch.message_count': messages,
        'messaging.destination.partition.id': String(source.partition),
        'usage.first_offset': source.firstOffset,
        'usage.last_offset': source.lastOffset,
      },
      publishers,
    };
  }
}

/** The partition has another owner, or its cursor is not where the batch begins: the batch must be dropped. */
export class PartitionLostError extends Error {
  constructor(readonly partition: number) {
    super(`Partition ${partition} was taken over or its cursor has moved; the open batch is dropped.`);
    this.name = 'PartitionLostError';
  }
}
