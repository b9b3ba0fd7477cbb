import type { Channel, ConsumeMessage } from 'amqplib';
import type { IngestResult, UsageBatch } from '../shared/messages/ingest-usage.command';
import { decodeUsageMessage, type DecodeRules } from '../shared/usage-event/decode-usage-message';
import { messageHash, OpenBatch } from './open-batch';
import type { OwnedCursor } from './partition-lease';
import { offsetOf } from './stream-probe';

/** Why a session ended; the reader begins another one from the cursor. */
export type SessionEnd =
  | { readonly reason: 'closed' }
  | { readonly reason: 'stopped' }
  /** More bytes arrived than may be held: the next session must ask for fewer messages at a time. */
  | { readonly reason: 'overloaded'; readonly meanMessageBytes: number }
  /** Messages from the cursor up to `firstOffset` no longer exist. */
  | { readonly reason: 'truncated'; readonly firstOffset: number }
  /** The message below the cursor is another one than was committed. */
  | { readonly reason: 'recreated' }
  | { readonly reason: 'failed'; readonly error: unknown };

export interface SessionSettings {
  readonly stream: string;
  readonly batchSize: number;
  readonly batchMaxWaitMs: number;
  readonly bufferBytes: number;
  readonly prefetch: number;
  readonly decodeRules: DecodeRules;
}

interface ArrivedMessage {
  readonly message: ConsumeMessage;
  readonly arrivedAt: number;
}

/**
 * Reads a stream from the cursor on one channel until that ends. Guarantees: batches are committed one at a time, in
 * the order of the stream; a batch is closed when it is full or `batchMaxWaitMs` after its first message arrived;
 * messages are acknowledged only after their batch is committed; at most `bufferBytes` of messages are held, and of
 * those at most two batches are decoded.
 */
export class StreamSession {
  private readonly arrived: ArrivedMessage[] = [];
  private arrivedHead = 0;
  private bufferedBytes = 0;
  private receivedMessages = 0;
  private receivedBytes = 0;
  private lastArrivalAt = Date.now();
  private open: OpenBatch | undefined;
  private committing = false;
  private expectedOffset: number;
  private verified = false;
  private timer: NodeJS.Timeout | undefined;
  private end: SessionEnd | undefined;
  private finish!: (end: SessionEnd) => void;
  readonly ended: Promise<SessionEnd>;

  constructor(
    private readonly channel: Channel,
    private readonly cursor: OwnedCursor,
    private readonly settings: SessionSettings,
    private readonly commit: (batch: UsageBatch) => Promise<IngestResult>,
  ) {
    this.expectedOffset = cursor.nextOffset;
    this.ended = new Promise((resolve) => (this.finish = resolve));
  }

  /** Everything below is committed. */
  get nextOffset(): number {
    return this.expectedOffset;
  }

  /** Whether the first message has shown that this is the stream the cursor belongs to. */
  get isVerified(): boolean {
    return this.verified;
  }

  /** Milliseconds since the last message arrived, when none is left to commit; 0 otherwise. */
  get idleMs(): number {
    return this.open || this.committing || this.arrivedHead < this.arrived.length
      ? 0
      : Date.now() - this.lastArrivalAt;
  }

  async start(): Promise<void> {
    const { stream, prefetch } = this.settings;
    this.channel.on('close', () => this.conclude({ reason: 'closed' }));
    // Without a listener a channel error would end the process; 'close' follows it.
    this.channel.on('error', () => undefined);
    await this.channel.prefetch(prefetch);
    // One message more than is needed, to see that this is still the stream the cursor belongs to.
    const offset = this.cursor.nextOffset > 0 ? this.cursor.nextOffset - 1 : 'first';
    await this.channel.consume(stream, (message) => this.receive(message), {
      noAck: false,
      arguments: { 'x-stream-offset': offset },
    });
  }

  /** Takes no more messages; resolves when the batch that is being committed has ended, one way or the other. */
  async stop(end: SessionEnd = { reason: 'stopped' }): Promise<void> {
    this.conclude(end);
    while (this.committing) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.channel.close().catch(() => undefined);
  }

  /** Whether messages still count; a commit that keeps failing is given up when they do not. */
  get isOver(): boolean {
    return this.end !== undefined;
  }

  private receive(message: ConsumeMessage | null): void {
    if (this.end) return;
    // The broker cancels the consumer when the queue is deleted or its node goes away.
    if (!message) return this.conclude({ reason: 'closed' });
    this.lastArrivalAt = Date.now();
    if (!this.verified && !this.verify(message)) return;
    this.receivedMessages += 1;
    this.receivedBytes += message.content.length;
    this.bufferedBytes += message.content.length;
    this.arrived.push({ message, arrivedAt: this.lastArrivalAt });
    if (this.bufferedBytes > this.settings.bufferBytes && this.receivedMessages > 1) {
      const meanMessageBytes = Math.ceil(this.receivedBytes / this.receivedMessages);
      return this.conclude({ reason: 'overloaded', meanMessageBytes });
    }
    this.advance();
  }

  /** Compares the first message with the cursor; answers whether it is a new one to be ingested. */
  private verify(message: ConsumeMessage): boolean {
    const offset = offsetOf(message.properties.headers);
    const { nextOffset, lastMessageHash } = this.cursor;
    if (offset < nextOffset - 1) return false;
    this.verified = true;
    if (offset > nextOffset) {
      this.conclude({ reason: 'truncated', firstOffset: offset });
      return false;
    }
    if (offset === nextOffset) return true;
    if (lastMessageHash && !lastMessageHash.equals(messageHash(message.content))) {
      this.conclude({ reason: 'recreated' });
      return false;
    }
    this.channel.ack(message);
    return false;
  }

  /** Decodes what fits into the open batch and commits it when it is due. */
  private advance(): void {
    this.fill();
    if (!this.open || this.committing || this.end) return;
    const due = this.open.firstArrivedAt + this.settings.batchMaxWaitMs - Date.now();
    if (this.open.size >= this.settings.batchSize || due <= 0) {
      void this.commitOpen(this.open);
    } else if (!this.timer) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.advance();
      }, due);
    }
  }

  private fill(): void {
    while (this.arrivedHead < this.arrived.length) {
      if (this.open && this.open.size >= this.settings.batchSize) return;
      const { message, arrivedAt } = this.arrived[this.arrivedHead] as ArrivedMessage;
      this.arrivedHead += 1;
      this.open ??= new OpenBatch(arrivedAt);
      const offset = offsetOf(message.properties.headers);
      const decoded = decodeUsageMessage(message.content, this.settings.decodeRules, arrivedAt, offset);
      this.open.add(decoded, message.content, offset, message.fields.deliveryTag);
    }
    this.arrived.length = 0;
    this.arrivedHead = 0;
  }

  private async commitOpen(batch: OpenBatch): Promise<void> {
    this.committing = true;
    this.open = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      await this.commit(batch.toUsageBatch(this.cursor, this.expectedOffset));
      this.expectedOffset = batch.nextOffset;
      this.bufferedBytes -= batch.bytes;
      // Acknowledged only now: whatever is lost before this is delivered again from the cursor.
      if (!this.end)
        this.channel.ack({ fields: { deliveryTag: batch.lastDeliveryTag } } as ConsumeMessage, true);
    } catch (error) {
      this.conclude({ reason: 'failed', error });
    } finally {
      this.committing = false;
    }
    this.advance();
  }

  private conclude(end: SessionEnd): void {
    if (this.end) return;
    this.end = end;
    clearTimeout(this.timer);
    this.open = undefined;
    this.arrived.length = 0;
    this.arrivedHead = 0;
    this.finish(end);
  }
}
