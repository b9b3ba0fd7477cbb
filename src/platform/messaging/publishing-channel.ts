import type { ConfirmChannel, Message } from 'amqplib';
import { USAGE_EXCHANGE } from './topology';

export interface UsageMessage {
  readonly routingKey: string;
  readonly body: Buffer;
  /** What consumers need to know beside the body: the publisher's trace. */
  readonly headers?: Readonly<Record<string, string>>;
}

const OPTIONS = { persistent: true, mandatory: true, contentType: 'application/json' };

/** A channel on which messages are confirmed; of no more use once it is closed. */
export class PublishingChannel {
  private readonly waiting = new Set<(error: Error) => void>();
  private returned = 0;

  constructor(
    private readonly channel: ConfirmChannel,
    onReturn: (message: Message) => void,
    onClose: () => void,
  ) {
    channel.on('return', (message: Message) => {
      this.returned += 1;
      onReturn(message);
    });
    channel.on('close', () => {
      onClose();
      // amqplib fails the messages that wait for a confirm as well, but stops at the first gap among them.
      for (const fail of this.waiting)
        fail(new Error('The channel was closed before the broker had confirmed.'));
    });
  }

  /**
   * Resolves when the broker has taken every message and each has reached a stream. Rejects when one was refused or
   * returned, or when the channel closes before: then any of them may be in the stream or not.
   */
  async confirm(messages: readonly UsageMessage[]): Promise<void> {
    const returnedBefore = this.returned;
    await new Promise<void>((resolve, reject) => {
      let outstanding = messages.length;
      const fail = (error: Error): void => {
        this.waiting.delete(fail);
        reject(error);
      };
      const settle = (error: Error | null): void => {
        if (error) return fail(error);
        outstanding -= 1;
        if (outstanding > 0) return;
        this.waiting.delete(fail);
        resolve();
      };
      this.waiting.add(fail);
      for (const { routingKey, body, headers } of messages) {
        this.channel.publish(
          USAGE_EXCHANGE,
          routingKey,
          body,
          headers ? { ...OPTIONS, headers } : OPTIONS,
          settle,
        );
      }
    });
    // A message that reaches no queue is confirmed all the same, but the broker returns it before that.
    if (this.returned !== returnedBefore) throw new Error('A message has reached no stream.');
  }
}
