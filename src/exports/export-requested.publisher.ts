import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import { Broker } from '../platform/messaging/broker';
import { CONTROL_EXCHANGE, EXPORTS_REQUESTED } from '../platform/messaging/topology';
import { ExportRequested } from '../shared/messages/export-requested.event';

/** Hands requests to the workers of all processes. Without the broker they find them in the database, a little later. */
@EventsHandler(ExportRequested)
export class ExportRequestedPublisher implements IEventHandler<ExportRequested> {
  private readonly logger = new Logger(ExportRequestedPublisher.name);

  constructor(
    private readonly broker: Broker,
    private readonly config: Config,
  ) {}

  async handle({ jobId }: ExportRequested): Promise<void> {
    try {
      await Promise.race([this.publish(jobId), this.giveUp()]);
    } catch (err) {
      this.logger.warn(
        { err, jobId },
        'An export could not be announced, a worker will find it in the database',
      );
    }
  }

  /** On a channel of its own: requests are rare, and nothing has to be known of a channel that broke since the last. */
  private async publish(jobId: string): Promise<void> {
    const channel = await this.broker.openPublishingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    try {
      await this.broker.declareTopology(channel);
      const properties = { persistent: true, contentType: 'application/json' };
      channel.publish(
        CONTROL_EXCHANGE,
        EXPORTS_REQUESTED,
        Buffer.from(JSON.stringify({ jobId })),
        properties,
      );
      await channel.waitForConfirms();
    } finally {
      await channel.close().catch(() => undefined);
    }
  }

  private async giveUp(): Promise<never> {
    await sleep(this.config.amqpPublishTimeout, undefined, { ref: false });
    throw new Error('RabbitMQ did not confirm in time.');
  }
}
