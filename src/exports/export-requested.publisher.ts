import { Logger, type OnModuleDestroy } from '@nestjs/common';
import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import type { ChannelWrapper } from 'amqp-connection-manager';
import type { ConfirmChannel } from 'amqplib';
import { Config } from '../platform/config/config';
import { Broker } from '../platform/messaging/broker';
import { CONTROL_EXCHANGE, declareTopology, EXPORTS_REQUESTED } from '../platform/messaging/topology';
import { ExportRequested } from '../shared/messages/export-requested.event';

/** Hands requests to the workers of all processes. Without the broker they find them in the database, a little later. */
@EventsHandler(ExportRequested)
export class ExportRequestedPublisher implements IEventHandler<ExportRequested>, OnModuleDestroy {
  private readonly logger = new Logger(ExportRequestedPublisher.name);
  private readonly channel: ChannelWrapper;

  constructor(
    private readonly broker: Broker,
    private readonly config: Config,
  ) {
    this.channel = broker.publishing.createChannel({
      setup: (channel: ConfirmChannel) => declareTopology(channel, config),
    });
    this.channel.on('error', (error: unknown) => broker.noteDeclarationFailure(error));
  }

  async handle({ jobId }: ExportRequested): Promise<void> {
    try {
      if (!this.broker.publishing.isConnected()) return;
      await this.channel.publish(
        CONTROL_EXCHANGE,
        EXPORTS_REQUESTED,
        Buffer.from(JSON.stringify({ jobId })),
        {
          persistent: true,
          contentType: 'application/json',
          timeout: this.config.amqpPublishTimeout,
        },
      );
    } catch (err) {
      this.logger.warn(
        { err, jobId },
        'An export could not be announced, a worker will find it in the database',
      );
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.channel.close().catch(() => undefined);
  }
}
