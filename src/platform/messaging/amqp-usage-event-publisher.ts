import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { ChannelWrapper } from 'amqp-connection-manager';
import type { ConfirmChannel } from 'amqplib';
import { AppError } from '../../shared/errors';
import { Config } from '../config/config';
import { Broker } from './broker';
import { declareTopology, USAGE_EXCHANGE } from './topology';
import { type OutgoingUsageEvent, type PublishOutcome, UsageEventPublisher } from './usage-event-publisher';

/** Bytes that wait for confirms in this process at most; more is refused rather than kept. */
const MAX_UNCONFIRMED_BYTES = 32 * 1_048_576;
const RETRY_AFTER_SECONDS = 5;

/**
 * Publishes one persistent message an event and waits for the broker's confirms. A message that reaches no queue is
 * confirmed all the same, so publishing is mandatory and what comes back fails the request.
 */
@Injectable()
export class AmqpUsageEventPublisher extends UsageEventPublisher implements OnModuleDestroy {
  private readonly logger = new Logger(AmqpUsageEventPublisher.name);
  private readonly channel: ChannelWrapper;
  private blocked = false;
  private returned = 0;
  private unconfirmedBytes = 0;

  constructor(
    private readonly broker: Broker,
    private readonly config: Config,
  ) {
    super();
    broker.publishing.on('blocked', ({ reason }) => {
      this.blocked = true;
      this.logger.warn({ reason }, 'RabbitMQ takes no messages now');
    });
    broker.publishing.on('unblocked', () => (this.blocked = false));
    broker.publishing.on('disconnect', () => (this.blocked = false));
    this.channel = broker.publishing.createChannel({
      setup: (channel: ConfirmChannel) => this.setUp(channel),
    });
    this.channel.on('error', (error: unknown) => broker.noteDeclarationFailure(error));
  }

  async publish(events: readonly OutgoingUsageEvent[]): Promise<readonly PublishOutcome[]> {
    const bytes = events.reduce((sum, { body }) => sum + body.length, 0);
    if (
      this.blocked ||
      !this.broker.publishing.isConnected() ||
      this.unconfirmedBytes + bytes > MAX_UNCONFIRMED_BYTES
    ) {
      throw this.unavailable();
    }
    const returnedBefore = this.returned;
    this.unconfirmedBytes += bytes;
    try {
      await Promise.all(
        events.map(({ orgId, body }) =>
          this.channel.publish(USAGE_EXCHANGE, `usage.${orgId}`, body, {
            persistent: true,
            mandatory: true,
            contentType: 'application/json',
            timeout: this.config.amqpPublishTimeout,
          }),
        ),
      );
    } catch (error) {
      throw this.unavailable(error);
    } finally {
      this.unconfirmedBytes -= bytes;
    }
    // The broker returns a message before it confirms it, so all that concern us have been counted by now.
    if (this.returned !== returnedBefore) throw this.unavailable();
    return events.map(() => 'accepted');
  }

  async onModuleDestroy(): Promise<void> {
    await this.channel.close().catch(() => undefined);
  }

  private async setUp(channel: ConfirmChannel): Promise<void> {
    await declareTopology(channel, this.config);
    channel.on('return', () => {
      this.returned += 1;
      this.logger.error(
        { exchange: USAGE_EXCHANGE },
        'A usage event reached no stream: its binding is missing',
      );
    });
  }

  private unavailable(cause?: unknown): AppError {
    return new AppError('unavailable', 'The broker does not take events now; send the same events again.', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      cause,
    });
  }
}
