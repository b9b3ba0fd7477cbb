/** A message of a stream: its offset is its header `x-stream-offset`. */
export interface StreamMessage {
  readonly content: Buffer;
  readonly fields: { readonly deliveryTag: number };
  readonly properties: { readonly headers?: Record<string, unknown> | undefined };
}

/**
 * What reading a stream needs of a channel. The channels of AMQP 0-9-1 are such (amqplib), and those of the stream
 * protocol (`stream-protocol/stream-protocol-channel.ts`).
 */
export interface StreamChannel {
  /** Messages that are delivered and not acknowledged, at most, give or take what is on its way. */
  prefetch(count: number): PromiseLike<unknown>;
  /** Delivers from an offset, or from the oldest message there is; `null` when the stream has gone. */
  consume(
    stream: string,
    receive: (message: StreamMessage | null) => void,
    options: { readonly noAck: false; readonly arguments: { readonly 'x-stream-offset': number | 'first' } },
  ): PromiseLike<unknown>;
  ack(message: Pick<StreamMessage, 'fields'>, allUpTo?: boolean): void;
  close(): PromiseLike<void>;
  /** With a reason where there is one to be told. */
  on(event: 'close', listener: (reason?: Error) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}
