import { hash } from 'node:crypto';
import type { UsageBatch } from '../shared/messages/ingest-usage.command';
import type { DecodedMessage } from '../shared/usage-event/decode-usage-message';
import type { PositionedEvent, PositionedReject } from '../shared/usage-event/usage-event';
import type { OwnedCursor } from './partition-leases';

/** As many links as OpenTelemetry keeps of a span unless told otherwise. */
const MOST_PUBLISHERS = 128;

/** Decoded messages that will be committed together. */
export class OpenBatch {
  readonly events: PositionedEvent[] = [];
  readonly rejects: PositionedReject[] = [];
  messages = 0;
  /** Sizes of the messages, in bytes. */
  bytes = 0;
  lastDeliveryTag = 0;
  private unknownFields = 0;
  private firstOffset = 0;
  private lastOffset = 0;
  private lastBody: Buffer = Buffer.alloc(0);
  private readonly publishers = new Set<string>();

  /** `firstArrivedAt`: when the first message arrived, by `performance.now()`. */
  constructor(readonly firstArrivedAt: number) {}

  get size(): number {
    return this.events.length + this.rejects.length;
  }

  get meanMessageBytes(): number {
    return this.bytes / Math.max(1, this.messages);
  }

  /** Everything below is in this batch or an earlier one. */
  get nextOffset(): number {
    return this.lastOffset + 1;
  }

  add(decoded: DecodedMessage, body: Buffer, offset: number, deliveryTag: number): void {
    for (const event of decoded.events) this.events.push(event);
    for (const reject of decoded.rejects) this.rejects.push(reject);
    this.unknownFields += decoded.unknownFields;
    if (this.messages === 0) this.firstOffset = offset;
    this.messages += 1;
    this.bytes += body.length;
    this.lastOffset = offset;
    this.lastBody = body;
    this.lastDeliveryTag = deliveryTag;
  }

  /** Notes who has published a message; `traceparent` is what its header of that name holds. */
  publishedBy(traceparent: unknown): void {
    if (typeof traceparent === 'string' && this.publishers.size < MOST_PUBLISHERS)
      this.publishers.add(traceparent);
  }

  /** The batch as it is committed when the cursor stands at `expectedOffset`. */
  toUsageBatch({ partition, epoch, incarnation }: OwnedCursor, expectedOffset: number): UsageBatch {
    return {
      source: {
        kind: 'stream',
        partition,
        epoch,
        incarnation,
        firstOffset: this.firstOffset,
        lastOffset: this.lastOffset,
        lastMessageHash: messageHash(this.lastBody),
        expectedOffset,
        replay: false,
      },
      receivedAt: new Date(),
      messages: this.messages,
      events: this.events,
      rejects: this.rejects,
      unknownFields: this.unknownFields,
      publishers: [...this.publishers],
    };
  }
}

/** What the cursor remembers of the last message, to know the stream again. */
export function messageHash(body: Buffer): Buffer {
  return hash('sha256', body, 'buffer');
}
