import type { Channel, ConsumeMessage } from 'amqplib';
import { closeChannel } from '../../platform/messaging/close-channel';
import { type DecodedMessage, decodeUsageMessage, type DecodeRules } from '../../shared/usage-event/decode-usage-message'; // prettier-ignore
import { MessageQueue } from '../message-queue';
import { offsetOf } from '../stream-probe';
import type { RereadMessages } from './reread-batch';

export interface StreamReplaySettings {
  readonly stream: string;
  /** Where to begin: an offset, or a time in milliseconds since the epoch, of whose part of the stream all is read. */
  readonly from: { readonly offset: number } | { readonly time: number };
  /** Exclusive. */
  readonly toOffset: number;
  readonly batchSize: number;
  /** More bytes than these are not held; the reading then ends as `overflowed`. */
  readonly bufferBytes: number;
  readonly prefetch: number;
  readonly decodeRules: DecodeRules;
  /** Nothing has arrived for this long: either all is read or the broker is stuck. */
  readonly quietMs: number;
}

/** How a reading ended. After anything but `done` another one may go on from what was taken. */
export type ReplayEnd = 'done' | 'quiet' | 'closed' | 'overflowed' | 'stopped';

/**
 * Reads a part of a stream once, on a channel of its own beside the one that reads at the cursor. Batches are taken one
 * after the other; messages are acknowledged when their batch is taken, so the broker never sends far ahead. Where
 * offsets skip, what lies before is taken first, and what lies behind only when the skip is explained.
 */
export class StreamReplay {
  private readonly queue = new MessageQueue();
  private heldBytes = 0;
  private end: ReplayEnd | undefined;
  /** Where the next message should be; `undefined` before the first one of a time. */
  private expectedOffset: number | undefined;
  private wake: () => void = () => undefined;

  constructor(
    private readonly channel: Channel,
    private readonly settings: StreamReplaySettings,
    private readonly take: (read: RereadMessages) => Promise<void>,
    /** Throws when messages from the first offset up to the second one were dropped. */
    private readonly explainSkip: (from: number, to: number) => Promise<void>,
  ) {
    if ('offset' in settings.from) this.expectedOffset = settings.from.offset;
  }

  /** Reads to the end. Throws what `take` and `explainSkip` throw. */
  async run(signal: AbortSignal): Promise<ReplayEnd> {
    const stop = (): void => this.conclude('stopped');
    signal.addEventListener('abort', stop, { once: true });
    this.channel.once('close', () => this.conclude('closed'));
    try {
      if (signal.aborted) return 'stopped';
      await this.consume();
      for (;;) {
        const batch = await this.nextBatch();
        if (batch === undefined) return this.end ?? 'closed';
        await this.take(batch.read);
        if (batch.isLast) return 'done';
        if (this.end) return this.end;
        this.channel.ack({ fields: { deliveryTag: batch.deliveryTag } } as ConsumeMessage, true);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await closeChannel(this.channel);
    }
  }

  private async consume(): Promise<void> {
    const { stream, from, prefetch } = this.settings;
    await this.channel.prefetch(prefetch);
    const offset =
      'offset' in from ? from.offset : { '!': 'timestamp', value: Math.floor(from.time / 1_000) };
    await this.channel.consume(stream, (message) => this.receive(message), {
      noAck: false,
      arguments: { 'x-stream-offset': offset },
    });
  }

  private receive(message: ConsumeMessage | null): void {
    if (this.end) return;
    if (!message) return this.conclude('closed');
    this.queue.push(message, Date.now());
    this.heldBytes += message.content.length;
    if (this.heldBytes > this.settings.bufferBytes && this.settings.prefetch > 1)
      return this.conclude('overflowed');
    this.wake();
  }

  /** The next messages that fit into a batch; `undefined` when the reading has ended without any. */
  private async nextBatch() {
    if (this.queue.isEmpty && !this.end) await this.arrival();
    const { batchSize, toOffset, decodeRules } = this.settings;
    const messages: DecodedMessage[] = [];
    let [size, bytes, firstOffset, lastOffset, deliveryTag, isLast] = [0, 0, 0, 0, 0, false];
    while (size < batchSize && !isLast) {
      const arrivedAt = this.queue.firstArrivedAt;
      const message = this.queue.first;
      if (message === undefined || arrivedAt === undefined) break;
      const offset = offsetOf(message.properties.headers);
      const next = Math.min(offset, toOffset);
      if (this.expectedOffset !== undefined && next > this.expectedOffset) {
        if (messages.length > 0) break;
        await this.explainSkip(this.expectedOffset, next);
        this.expectedOffset = next;
        // The reading may have ended meanwhile.
        continue;
      }
      this.queue.shift();
      this.expectedOffset = offset + 1;
      bytes += message.content.length;
      deliveryTag = message.fields.deliveryTag;
      if (offset >= toOffset) {
        isLast = true;
        break;
      }
      if (messages.length === 0) firstOffset = offset;
      const decoded = decodeUsageMessage(message.content, decodeRules, arrivedAt, offset);
      messages.push(decoded);
      size += decoded.events.length + decoded.rejects.length;
      lastOffset = offset;
      isLast = offset === toOffset - 1;
    }
    this.heldBytes -= bytes;
    if (messages.length === 0 && !isLast) return undefined;
    return { read: { messages, firstOffset, lastOffset }, deliveryTag, isLast };
  }

  private async arrival(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.conclude('quiet'), this.settings.quietMs);
      this.wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private conclude(end: ReplayEnd): void {
    if (this.end) return;
    this.end = end;
    this.queue.clear();
    this.wake();
  }
}
