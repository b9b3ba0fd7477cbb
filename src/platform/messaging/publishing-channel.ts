import type { ConfirmChannel, Message } from 'amqplib';
import { closeChannel } from './close-channel';
import { USAGE_EXCHANGE } from './topology';

export interface UsageMessage {
  readonly routingKey: string;
  readonly body: Buffer;
  /** What consumers need to know beside the body: the publisher's trace. */
  readonly headers?: Readonly<Record<string, string>>;
}

const OPTIONS = { persistent: true, mandatory: true, contentType: 'application/json' };

/**
 * A channel on which messages are confirmed. It ends when the broker closes it, and with the first message that the
 * broker returned or refused: the confirms of later ones could not be believed (`untrue-confirms.ts`).
 */
export class PublishingChannel {
  private readonly waiting = new Set<(error: Error) => void>();
  private ended: Error | undefined;

  /**
   * `onReturn` is told the first message that reached no stream; `onEnd` that another channel is needed. With `stream`
   * all messages go to that one, past the exchange that would share them out.
   */
  constructor(
    private readonly channel: ConfirmChannel,
    onReturn: (message: Message) => void,
    private readonly onEnd: () => void,
    private readonly stream?: string,
  ) {
    channel.on('return', (message: Message) => {
      if (!this.ended) onReturn(message);
      this.leave(new Error('A message has reached no stream.'));
    });
    // amqplib fails the messages that wait for a confirm as well, but stops at the first gap among them.
    channel.on('close', () => this.end(new Error('The channel was closed before the broker had confirmed.')));
  }

  /**
   * Resolves when the broker has taken every message and each has reached a stream. Rejects when the channel ends
   * before: then any of them may be in the stream or not.
   */
  async confirm(messages: readonly UsageMessage[]): Promise<void> {
    if (this.ended) throw this.ended;
    await new Promise<void>((resolve, reject) => {
      let outstanding = messages.length;
      this.waiting.add(reject);
      // A message that reaches no queue is confirmed all the same, but the broker returns it before that.
      const settle = (error: Error | null): void => {
        if (error) return this.leave(error);
        outstanding -= 1;
        if (outstanding > 0) return;
        this.waiting.delete(reject);
        resolve();
      };
      for (const { routingKey, body, headers } of messages) {
        const options = headers ? { ...OPTIONS, headers } : OPTIONS;
        if (this.stream === undefined)
          this.channel.publish(USAGE_EXCHANGE, routingKey, body, options, settle);
        else this.channel.sendToQueue(this.stream, body, options, settle);
      }
    });
  }

  private leave(reason: Error): void {
    if (this.ended) return;
    this.end(reason);
    void closeChannel(this.channel);
  }

  private end(reason: Error): void {
    if (this.ended) return;
    this.ended = reason;
    this.onEnd();
    for (const fail of this.waiting) fail(reason);
    this.waiting.clear();
  }
}
