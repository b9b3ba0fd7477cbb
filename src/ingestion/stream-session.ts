import { DAY_MS, startOfBucket } from '../platform/database/bucket-windows';
import { closeChannel } from '../platform/messaging/close-channel';
import type { StreamChannel, StreamMessage } from '../platform/messaging/stream-channel';
import { isTracing } from '../platform/telemetry/tracing';
import type { IngestResult, UsageBatch } from '../shared/messages/ingest-usage.command';
import { decodeUsageMessage, type DecodeRules } from '../shared/usage-event/decode-usage-message';
import { streamBytes } from './ingestion.metrics';
import { MessageQueue } from './message-queue';
import { messageHash, OpenBatch } from './open-batch';
import { prepareBatch } from './prepared-batch';
import type { OwnedCursor } from './partition-leases';
import { offsetOf } from './stream-probe';

/** Why a session ended; the reader begins another one from the cursor. */
export type SessionEnd =
  | { readonly reason: 'closed' }
  | { readonly reason: 'stopped' }
  /** The broker has messages behind the cursor and delivers none. */
  | { readonly reason: 'stalled' }
  /** More bytes arrived than may be held: the next session must ask for fewer messages at a time. */
  | { readonly reason: 'overflowed'; readonly meanMessageBytes: number }
  /** Messages have become so small that the next session may ask for more at a time. */
  | { readonly reason: 'shrunken'; readonly meanMessageBytes: number }
  /** Messages from `nextOffset` up to `firstOffset` no longer exist. */
  | { readonly reason: 'truncated'; readonly firstOffset: number }
  /** The message below the cursor is another one than was committed. */
  | { readonly reason: 'recreated' }
  | { readonly reason: 'failed'; readonly error: unknown };

export interface SessionSettings {
  readonly stream: string;
  /** Events, valid or not, at which a batch is full; a message is never split, so the last one may exceed it. */
  readonly batchSize: number;
  readonly batchMaxWaitMs: number;
  readonly bufferBytes: number;
  readonly prefetch: number;
  /** Batches of messages of at most this mean size let a session ask for more; 0 when it asks for all it may. */
  readonly smallMessageBytes: number;
  readonly decodeRules: DecodeRules;
}

/** Part of the buffer that one batch may hold. */
const BATCH_SHARE = 1 / 4;
/** Decoded in one turn of the event loop: some 45 events, less than half a millisecond. */
const BYTES_A_TURN = 16_384;
/** Batches of small messages in a row that are taken for a change, and not for chance. */
const SMALL_BATCHES = 10;

/**
 * Reads a stream from the cursor on one channel until that ends. Guarantees: batches are committed one at a time, in
 * the order of the stream; a batch is closed when it is full or `batchMaxWaitMs` after its first message arrived;
 * messages are acknowledged only after their batch is committed; at most `bufferBytes` of messages are held, and of
 * those at most two batches are decoded; nothing behind messages that were dropped unread is committed.
 */
export class StreamSession {
  readonly ended: Promise<SessionEnd>;
  private readonly queue = new MessageQueue();
  private readonly batchBytes: number;
  private heldMessages = 0;
  private heldBytes = 0;
  private smallBatches = 0;
  private open: OpenBatch | undefined;
  private committing: Promise<void> | undefined;
  private expectedOffset: number;
  private verified = false;
  /** Offset of the last message that was decoded, or of the one below the cursor. */
  private readThrough: number;
  /** Where the queue goes on behind offsets that did not come; nothing from there on is decoded yet. */
  private skipTo: number | undefined;
  /** The last such place that was found to be no loss. */
  private harmlessSkipTo: number | undefined;
  private explaining = false;
  /** Whether decoding goes on in the next turn of the event loop; until then the open batch is not complete. */
  private resting = false;
  private quietFrom = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private end: SessionEnd | undefined;
  private finish!: (end: SessionEnd) => void;

  constructor(
    private readonly channel: StreamChannel,
    private readonly cursor: OwnedCursor,
    private readonly settings: SessionSettings,
    private readonly commit: (batch: UsageBatch) => Promise<IngestResult>,
    /** Offset of the oldest message that the stream has; `undefined` when the broker delivered none in time. */
    private readonly oldestOffset: () => Promise<number | undefined>,
  ) {
    this.batchBytes = settings.bufferBytes * BATCH_SHARE;
    this.expectedOffset = cursor.nextOffset;
    this.readThrough = cursor.nextOffset - 1;
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

  /** Whether messages still count; a commit that keeps failing is given up when they do not. */
  get isOver(): boolean {
    return this.end !== undefined;
  }

  /** Since when nothing has arrived and nothing is left to commit, by `performance.now()`: clocks may step. */
  get quietSince(): number | undefined {
    return this.open || this.committing || !this.queue.isEmpty ? undefined : this.quietFrom;
  }

  async start(): Promise<void> {
    const { stream, prefetch } = this.settings;
    this.channel.on('close', (error) =>
      this.conclude(error ? { reason: 'failed', error } : { reason: 'closed' }),
    );
    await this.channel.prefetch(prefetch);
    // One message more than is needed, to see that this is still the stream the cursor belongs to.
    const offset = this.cursor.nextOffset > 0 ? this.cursor.nextOffset - 1 : 'first';
    await this.channel.consume(stream, (message) => this.receive(message), {
      noAck: false,
      arguments: { 'x-stream-offset': offset },
    });
  }

  /** Takes no more messages; resolves when the batch that is being committed has ended, one way or the other. */
  async stop(end: SessionEnd): Promise<void> {
    this.conclude(end);
    await this.committing;
    await closeChannel(this.channel);
  }

  private receive(message: StreamMessage | null): void {
    if (this.end) return;
    // The broker cancels the consumer when the queue is deleted or its node goes away.
    if (!message) return this.conclude({ reason: 'closed' });
    this.quietFrom = performance.now();
    if (!this.verified && !this.verify(message)) return;
    this.heldMessages += 1;
    this.heldBytes += message.content.length;
    this.queue.push(message, this.quietFrom);
    if (this.heldBytes > this.settings.bufferBytes && this.settings.prefetch > 1) {
      const meanMessageBytes = Math.ceil(this.heldBytes / this.heldMessages);
      return this.conclude({ reason: 'overflowed', meanMessageBytes });
    }
    this.advance();
  }

  /** Compares the first message with the cursor; answers whether it is a new one to be ingested. */
  private verify(message: StreamMessage): boolean {
    const offset = offsetOf(message.properties.headers);
    const { nextOffset, lastMessageHash } = this.cursor;
    if (offset > nextOffset) {
      this.conclude({ reason: 'truncated', firstOffset: offset });
      return false;
    }
    if (offset === nextOffset - 1 && lastMessageHash?.equals(messageHash(message.content)) === false) {
      this.conclude({ reason: 'recreated' });
      return false;
    }
    this.verified = offset >= nextOffset - 1;
    if (offset === nextOffset) return true;
    this.channel.ack(message);
    return false;
  }

  /** Decodes what fits into the open batch and commits it when it is due. */
  private advance(): void {
    this.fill();
    if (this.committing || this.end || this.resting) return;
    if (!this.open) return void (this.skipTo === undefined || this.explainSkip(this.skipTo));
    const due = this.open.firstArrivedAt + this.settings.batchMaxWaitMs - performance.now();
    if (this.isFull(this.open) || due <= 0 || this.skipTo !== undefined) {
      this.committing = this.commitOpen(this.open);
      // The next batch is decoded while this one commits.
      this.fill();
    } else {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.advance();
      }, due);
    }
  }

  /**
   * Decodes so much in one turn and goes on in the next, so that what the database answers meanwhile is not kept
   * waiting: 5,000 events in one turn take about 25 ms (5 µs each, decoding alone).
   */
  private fill(): void {
    if (this.resting) return;
    const now = Date.now();
    for (let decodedBytes = 0; ;) {
      if (this.open && this.isFull(this.open)) return this.prepareAhead(this.open);
      const arrivedAt = this.queue.firstArrivedAt;
      const message = this.queue.first;
      if (arrivedAt === undefined || message === undefined) return;
      const { content, fields, properties } = message;
      if (decodedBytes > BYTES_A_TURN) return this.rest();
      decodedBytes += content.length;
      const offset = offsetOf(properties.headers);
      this.skipTo = offset > this.readThrough + 1 && offset !== this.harmlessSkipTo ? offset : undefined;
      if (this.skipTo !== undefined) return;
      this.queue.shift();
      this.readThrough = offset;
      this.open ??= new OpenBatch(arrivedAt);
      const decoded = decodeUsageMessage(content, this.settings.decodeRules, now, offset);
      this.open.add(decoded, content, offset, fields.deliveryTag);
      if (isTracing()) this.open.publishedBy(properties.headers?.['traceparent']);
    }
  }

  /** Makes what a batch will send that waits for the one before it. */
  private prepareAhead(batch: OpenBatch): void {
    if (this.committing) prepareBatch(batch.events).ahead(startOfBucket(new Date(), DAY_MS));
  }

  private rest(): void {
    this.resting = true;
    setImmediate(() => {
      this.resting = false;
      this.advance();
    });
  }

  /**
   * Offsets skip where a segment begins, and where the broker has dropped segments under a reader that was behind:
   * RabbitMQ says nothing then and goes on with its oldest message. Asked when all before the skip is committed: what
   * is missing was there to be read if the stream still has a message that is as old.
   */
  private async explainSkip(to: number): Promise<void> {
    if (this.explaining) return;
    this.explaining = true;
    try {
      const oldest = await this.oldestOffset();
      if (oldest === undefined) throw new Error('The broker did not tell how far back its stream reaches.');
      if (oldest > this.expectedOffset) this.conclude({ reason: 'truncated', firstOffset: to });
      else this.harmlessSkipTo = to;
    } catch (error) {
      this.conclude({ reason: 'failed', error });
    }
    this.explaining = false;
    this.advance();
  }

  private isFull({ size, bytes }: OpenBatch): boolean {
    return size >= this.settings.batchSize || bytes >= this.batchBytes;
  }

  private async commitOpen(batch: OpenBatch): Promise<void> {
    this.open = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      await this.commit(batch.toUsageBatch(this.cursor, this.expectedOffset));
      this.expectedOffset = batch.nextOffset;
      this.heldMessages -= batch.messages;
      this.heldBytes -= batch.bytes;
      streamBytes.inc({ partition: this.cursor.partition }, batch.bytes);
      // Acknowledged only now: whatever is lost before this is delivered again from the cursor.
      if (!this.end) this.channel.ack({ fields: { deliveryTag: batch.lastDeliveryTag } }, true);
      this.watchSizes(batch);
    } catch (error) {
      this.conclude({ reason: 'failed', error });
    }
    this.quietFrom = performance.now();
    this.committing = undefined;
    this.advance();
  }

  private watchSizes({ meanMessageBytes }: OpenBatch): void {
    this.smallBatches = meanMessageBytes <= this.settings.smallMessageBytes ? this.smallBatches + 1 : 0;
    if (this.smallBatches >= SMALL_BATCHES) this.conclude({ reason: 'shrunken', meanMessageBytes });
  }

  private conclude(end: SessionEnd): void {
    if (this.end) return;
    this.end = end;
    clearTimeout(this.timer);
    this.open = undefined;
    this.queue.clear();
    this.finish(end);
  }
}
