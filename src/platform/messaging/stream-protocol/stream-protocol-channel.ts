import { EventEmitter } from 'node:events';
import type { StreamChannel, StreamMessage } from '../stream-channel';
import { bodyOf, textHeaderOf } from './amqp-message';
import { HEAD_BYTES, text, uint16, uint64, uint8 } from './frames';
import { readChunk } from './stream-chunk';
import { StreamConnection } from './stream-connection';

const SUBSCRIPTION = 0;
const FROM_FIRST = 1;
const FROM_OFFSET = 4;
/** Chunks that may be on their way at most, however small they are. */
const MOST_CHUNKS = 64;
/** Bytes that may be on their way, as far as recent chunks tell; one chunk always may. */
const MOST_BYTES = 4_194_304;
/** What is kept of the size of earlier chunks when a smaller one comes. */
const MEMORY = 0.95;

export interface StreamProtocolOptions {
  /** Host, user, password and virtual host are taken from it, and TLS with `amqps:`. */
  readonly amqpUrl: string;
  readonly port: number;
  readonly connectionName: string;
  /** Headers that messages are delivered with, where they have them. */
  readonly headers: readonly string[];
}

/**
 * Reads one stream over RabbitMQ's own protocol, as a channel of AMQP 0-9-1 would: the broker sends whole chunks as they
 * lie in its files, which takes it next to no time, where it takes each message apart and frames it for AMQP 0-9-1.
 *
 * Messages below the offset that was asked for lie in the first chunk, too, and are not delivered. `prefetch` bounds
 * what is delivered and not acknowledged, but for the chunks that are on their way. The channel has a connection of its
 * own and emits `close` when that ends.
 */
export class StreamProtocolChannel
  extends EventEmitter<{ close: [reason?: Error] }>
  implements StreamChannel
{
  private prefetched = Infinity;
  private chunksOnTheirWay = 0;
  private delivered = 0;
  private acknowledged = 0;
  /** Messages and bytes of the largest of the recent chunks. */
  private chunkMessages = 1;
  private chunkBytes = 1;
  private from = 0;
  private receiver: (message: StreamMessage | null) => void = () => undefined;

  private constructor(
    private readonly connection: StreamConnection,
    private readonly headers: readonly string[],
  ) {
    super();
    connection.on('deliver', (received) => this.receive(received));
    connection.on('unavailable', () => this.receiver(null));
    connection.on('close', (reason) => this.emit('close', reason));
  }

  static async open({
    amqpUrl,
    port,
    connectionName,
    headers,
  }: StreamProtocolOptions): Promise<StreamProtocolChannel> {
    return new StreamProtocolChannel(await StreamConnection.open(amqpUrl, port, connectionName), headers);
  }

  prefetch(count: number): Promise<void> {
    this.prefetched = count;
    return Promise.resolve();
  }

  async consume(
    stream: string,
    receive: (message: StreamMessage | null) => void,
    { arguments: { 'x-stream-offset': from } }: Parameters<StreamChannel['consume']>[2],
  ): Promise<void> {
    this.receiver = receive;
    this.from = from === 'first' ? 0 : from;
    this.chunksOnTheirWay = 1;
    const place = from === 'first' ? [uint16(FROM_FIRST)] : [uint16(FROM_OFFSET), uint64(from)];
    await this.connection.request('subscribe', uint8(SUBSCRIPTION), text(stream), ...place, uint16(this.chunksOnTheirWay)); // prettier-ignore
  }

  ack({ fields: { deliveryTag } }: Pick<StreamMessage, 'fields'>, allUpTo = false): void {
    this.acknowledged = allUpTo ? deliveryTag : this.acknowledged + 1;
    this.askForMore();
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private receive(received: Buffer): void {
    this.chunksOnTheirWay -= 1;
    const before = this.delivered;
    readChunk(received, HEAD_BYTES + 1, (offset, buffer, start, end) => {
      if (offset >= this.from) this.deliver(offset, buffer, start, end);
    });
    this.chunkMessages = Math.max(1, this.delivered - before, this.chunkMessages * MEMORY);
    this.chunkBytes = Math.max(received.length, this.chunkBytes * MEMORY);
    this.askForMore();
  }

  private deliver(offset: number, buffer: Buffer, start: number, end: number): void {
    this.delivered += 1;
    this.receiver(new DeliveredMessage(offset, this.delivered, buffer, start, end, this.headers));
  }

  /** Asks for many chunks at a time: each request costs the broker about as much as a small chunk. */
  private askForMore(): void {
    const room = this.prefetched - (this.delivered - this.acknowledged);
    if (room <= 0) return;
    const fitting = Math.max(1, Math.floor(MOST_BYTES / this.chunkBytes));
    const wanted = Math.min(MOST_CHUNKS, fitting, Math.ceil(room / this.chunkMessages));
    if (this.chunksOnTheirWay > wanted / 2) return;
    this.connection.send('credit', uint8(SUBSCRIPTION), uint16(wanted - this.chunksOnTheirWay));
    this.chunksOnTheirWay = wanted;
  }
}

/** Thousands of them wait to be decoded: what is needed only then is made only then. */
class DeliveredMessage implements StreamMessage {
  readonly content: Buffer;

  constructor(
    private readonly offset: number,
    private readonly deliveryTag: number,
    private readonly buffer: Buffer,
    private readonly start: number,
    private readonly end: number,
    private readonly names: readonly string[],
  ) {
    this.content = bodyOf(buffer, start, end);
  }

  get fields() {
    return { deliveryTag: this.deliveryTag };
  }

  get properties() {
    const headers: Record<string, unknown> = { 'x-stream-offset': this.offset };
    for (const name of this.names) headers[name] = textHeaderOf(this.buffer, this.start, this.end, name);
    return { headers };
  }
}
