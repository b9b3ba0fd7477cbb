import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import { Broker } from '../platform/messaging/broker';
import { closeChannel } from '../platform/messaging/close-channel';
import { CONTROL_EXCHANGE, REAGGREGATIONS_REQUESTED } from '../platform/messaging/topology';
import { ReaggregationRequested } from '../shared/messages/reaggregation-requested.event';

/** Hands requests to the workers of all processes. Without the broker they find them in the database, a little later. */
@EventsHandler(ReaggregationRequested)
export class ReaggregationRequestedPublisher implements IEventHandler<ReaggregationRequested> {
  private readonly logger = new Logger(ReaggregationRequestedPublisher.name);

  constructor(
    private readonly broker: Broker,
    private readonly config: Config,
  ) {}

  async handle({ jobId }: ReaggregationRequested): Promise<void> {
    try {
      await Promise.race([this.publish(jobId), this.giveUp()]);
    } catch (err) {
      this.logger.warn({ err, jobId }, 'A re-aggregation could not be announced, a worker finds it in the database'); // prettier-ignore
    }
  }

  /** On a channel of its own: requests are rare. */
  private async publish(jobId: string): Promise<void> {
    const channel = await this.broker.openPublishingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    try {
      await this.broker.declareTopology(channel);
      const body = Buffer.from(JSON.stringify({ jobId }));
      channel.publish(CONTROL_EXCHANGE, REAGGREGATIONS_REQUESTED, body, {
        persistent: true,
        contentType: 'application/json',
      });
      await channel.waitForConfirms();
    } finally {
      await closeChannel(channel);
    }
  }

  private async giveUp(): Promise<never> {
    await sleep(this.config.amqpPublishTimeout, undefined, { ref: false });
    throw new Error('RabbitMQ did not confirm in time.');
  }
}
