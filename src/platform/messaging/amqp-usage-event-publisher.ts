import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { arrivedBytes, type UsageEvent } from '../../shared/usage-event/usage-event';
import { traceHeaders } from '../telemetry/tracing';
import { AppError } from '../../shared/errors';
import { Config } from '../config/config';
import { Broker } from './broker';
import { PublishingChannel, type UsageMessage } from './publishing-channel';
import { streamsOf, USAGE_EXCHANGE } from './topology';
import { type PublishOutcome, UsageEventPublisher } from './usage-event-publisher';

/** Bytes that wait for confirms in this process at most; more is refused rather than kept. */
const MAX_UNCONFIRMED_BYTES = 32 * 1_048_576;
const RETRY_AFTER_SECONDS = 5;
const REOPEN_AFTER_MS = 5_000;

/**
 * Publishes one persistent message an event, with routing key `usage.<orgId>`, and waits for the broker's confirms
 * for AMQP_PUBLISH_TIMEOUT. While the broker is away or takes nothing, events are refused at once. Where confirms can be
 * believed of one stream alone (docs/reliability.md, rule 3 for publishers), all events of a channel go to one
 * partition, chosen at random: identities are known again in every partition.
 */
@Injectable()
export class AmqpUsageEventPublisher extends UsageEventPublisher {
  private readonly logger = new Logger(AmqpUsageEventPublisher.name);
  private channel: Promise<PublishingChannel> | undefined;
  private blocked = false;
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
    broker.publishing.on('connect', () => void this.prepare());
  }

  async publish(events: readonly UsageEvent[]): Promise<readonly PublishOutcome[]> {
    const headers = traceHeaders();
    const messages = events.map((event) => ({
      routingKey: `usage.${event.orgId}`,
      body: arrivedBytes(event),
      headers,
    }));
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    if (this.blocked || this.unconfirmedBytes + bytes > MAX_UNCONFIRMED_BYTES) throw unavailable();
    this.unconfirmedBytes += bytes;
    // They are held until the broker or the end of the channel sets them free, not until the caller stops waiting.
    const confirmed = this.confirm(messages).finally(() => (this.unconfirmedBytes -= bytes));
    try {
      await within(this.config.amqpPublishTimeout, confirmed);
    } catch (error) {
      throw unavailable(error);
    }
    return events.map(() => 'accepted');
  }

  /** Producers that publish by themselves need the exchange before the first event comes over HTTP. */
  private async prepare(): Promise<void> {
    const { connection } = this.broker.publishing;
    while (connection && connection === this.broker.publishing.connection) {
      try {
        await this.open();
        return;
      } catch {
        await sleep(REOPEN_AFTER_MS, undefined, { ref: false });
      }
    }
  }

  private async confirm(messages: readonly UsageMessage[]): Promise<void> {
    const channel = await this.open();
    await channel.confirm(messages);
  }

  /** The channel there is, or a new one with the topology declared. */
  private open(): Promise<PublishingChannel> {
    if (this.channel) return this.channel;
    // By the time one has ended or failed there may be another.
    const forget = (): void => {
      if (this.channel === opening) this.channel = undefined;
    };
    const opening = this.openAnother(forget);
    this.channel = opening;
    opening.catch(forget);
    return opening;
  }

  private async openAnother(onEnd: () => void): Promise<PublishingChannel> {
    const channel = await this.broker.openPublishingChannel();
    if (!channel) throw new Error('RabbitMQ is away.');
    let closed = false;
    const publishing = new PublishingChannel(
      channel,
      ({ fields }) =>
        this.logger.error(
          { exchange: USAGE_EXCHANGE, routingKey: fields.routingKey },
          'A usage event has reached no stream and is refused: the broker has just started, or the binding of the stream is missing',
        ),
      () => {
        closed = true;
        onEnd();
      },
      this.broker.confirmsOneStream ? this.anyStream() : undefined,
    );
    await this.broker.declareTopology(channel);
    if (closed) throw new Error('The channel was closed while it was set up.');
    return publishing;
  }

  private anyStream(): string | undefined {
    const streams = streamsOf(this.config.ingestPartitions);
    return streams[Math.floor(Math.random() * streams.length)];
  }
}

function unavailable(cause?: unknown): AppError {
  return new AppError('unavailable', 'The broker does not take events now; send the same events again.', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}

async function within<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms.`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
