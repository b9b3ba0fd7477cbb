import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { eventually } from './eventually';

/** Publishes as the router does: to the exchange, with confirms. Every message is an item; Buffers go as they are. */
export class Producer {
  private constructor(
    private readonly connection: ChannelModel,
    readonly channel: ConfirmChannel,
  ) {}

  static async connect(amqpUrl: string): Promise<Producer> {
    const connection = await connect(amqpUrl);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    return new Producer(connection, channel);
  }

  /** The same, once the service has declared the exchange. */
  static async whenDeclared(amqpUrl: string): Promise<Producer> {
    return eventually(async () => {
      const producer = await Producer.connect(amqpUrl);
      try {
        await producer.channel.checkExchange('analytics.usage');
        return producer;
      } catch (error) {
        await producer.close();
        throw error;
      }
    });
  }

  /** Resolves when the broker has confirmed all of them; the exchange must be there. */
  async publish(messages: readonly unknown[], headers: Record<string, unknown> = {}): Promise<void> {
    for (const message of messages) {
      const body = Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message));
      const orgId = (message as { orgId?: unknown } | null)?.orgId;
      this.channel.publish('analytics.usage', `usage.${typeof orgId === 'string' ? orgId : 'none'}`, body, {
        persistent: true,
        headers,
      });
    }
    await this.channel.waitForConfirms();
  }

  async close(): Promise<void> {
    await this.connection.close().catch(() => undefined);
  }
}
