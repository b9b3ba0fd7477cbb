import { EventEmitter } from 'node:events';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Turns } from './turns';

export interface StreamMessage {
  readonly offset: number;
  readonly body: Buffer;
  /** Offset of the first message of its chunk: what was written at once. */
  readonly chunk: number;
  /** When the broker confirmed it, milliseconds since the epoch. */
  readonly confirmedAt: number;
}

/** One stream of the broker. As RabbitMQ's it drops its oldest messages without a word to those who are behind. */
export class MemoryStream {
  /** Everything that was ever confirmed. */
  readonly published: StreamMessage[] = [];
  private readonly channels = new Set<MemoryChannel>();
  private firstOffset = 0;
  private nextOffset = 0;
  private newestChunk = 0;

  constructor(
    private readonly turns: Turns,
    /** Whether all below the offset is committed. */
    readonly isCommitted: (offset: number) => boolean,
    /** As by the stream protocol: a chunk is delivered to its end, however much is unacknowledged. */
    readonly inWholeChunks: boolean,
  ) {}

  /** One chunk of messages, after so many offsets that no message has. */
  publish(bodies: readonly Buffer[], skipped = 0): void {
    this.nextOffset += skipped;
    this.newestChunk = this.nextOffset;
    for (const body of bodies) {
      const place = { offset: this.nextOffset, chunk: this.newestChunk };
      this.published.push({ ...place, body, confirmedAt: Date.now() });
      this.nextOffset += 1;
    }
    for (const channel of this.channels) channel.wake();
  }

  /** Drops about a share of what there is, but never the newest chunk. */
  truncate(share: number): void {
    const length = this.nextOffset - this.firstOffset;
    this.firstOffset = Math.min(this.newestChunk, this.firstOffset + Math.floor(length * share));
  }

  messageFrom(offset: number): StreamMessage | undefined {
    return this.published.find((each) => each.offset >= Math.max(offset, this.firstOffset));
  }

  /** Where a consumer begins that asks for this. */
  startOf(asked: unknown): number {
    if (asked === 'first') return this.firstOffset;
    return asked === 'last' ? this.newestChunk : Number(asked);
  }

  open(isAlive: () => boolean): MemoryChannel {
    const channel = new MemoryChannel(this, this.turns, isAlive);
    this.channels.add(channel);
    channel.once('close', () => this.channels.delete(channel));
    return channel;
  }

  /** Delivers nothing more to whoever consumes now, or goes on with it; the channels stay up. */
  hold(held: boolean): void {
    for (const channel of this.channels) channel.hold(held);
  }

  /** Ends every channel, as a network does. */
  cut(): void {
    for (const channel of [...this.channels]) channel.end();
  }
}

/** The part of an AMQP channel that reading a stream needs. */
export class MemoryChannel extends EventEmitter {
  private isOpen = true;
  private position: number | undefined;
  private limit = Infinity;
  private readonly unacked: number[] = [];
  private acked = 0;
  private delivering = false;
  private isHeld = false;
  private receive: (message: ConsumeMessage) => void = () => undefined;

  constructor(
    private readonly stream: MemoryStream,
    private readonly turns: Turns,
    private readonly isAlive: () => boolean,
  ) {
    super();
  }

  get asChannel(): Channel {
    return this as unknown as Channel;
  }

  prefetch(count: number): Promise<void> {
    this.limit = count;
    return Promise.resolve();
  }

  async consume(
    _: string,
    receive: (message: ConsumeMessage) => void,
    { arguments: asked }: { arguments: { 'x-stream-offset': unknown } },
  ): Promise<void> {
    if ((await this.turns.turn('consume')) !== 'done') this.end();
    if (!this.isOpen) throw new Error('The channel is closed.');
    this.receive = receive;
    this.position = this.stream.startOf(asked['x-stream-offset']);
    this.wake();
  }

  ack({ fields: { deliveryTag } }: ConsumeMessage): void {
    while (this.acked < deliveryTag) {
      const offset = this.unacked.shift() as number;
      this.acked += 1;
      this.turns.insist(this.stream.isCommitted(offset), () => `${offset} is acknowledged but not committed`);
    }
    this.wake();
  }

  close(): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (this.isAlive()) this.emit('close');
  }

  hold(held: boolean): void {
    this.isHeld = held;
    this.wake();
  }

  /** Something may be deliverable. */
  wake(): void {
    if (!this.delivering) void this.deliver();
  }

  private get isFlowing(): boolean {
    return this.isOpen && !this.isHeld && this.isAlive();
  }

  private get mayDeliver(): boolean {
    return this.isFlowing && this.unacked.length < this.limit;
  }

  private async deliver(): Promise<void> {
    this.delivering = true;
    while (this.mayDeliver && this.position !== undefined) {
      if (!this.stream.messageFrom(this.position)) break;
      await this.turns.turn('delivery');
      // RabbitMQ reads and sends a chunk as a whole, over AMQP 0-9-1 as far as the prefetch goes.
      const chunk = this.stream.messageFrom(this.position)?.chunk;
      for (
        let message = this.stream.messageFrom(this.position);
        (this.stream.inWholeChunks ? this.isFlowing : this.mayDeliver) && message?.chunk === chunk;
        message = this.stream.messageFrom(this.position)
      ) {
        if (!message) break;
        this.send(message);
      }
    }
    this.delivering = false;
  }

  private send({ offset, body }: StreamMessage): void {
    this.position = offset + 1;
    this.unacked.push(offset);
    this.receive({
      content: body,
      fields: { deliveryTag: this.acked + this.unacked.length },
      properties: { headers: { 'x-stream-offset': offset } },
    } as unknown as ConsumeMessage);
  }
}
