import { setTimeout as sleep } from 'node:timers/promises';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import type { UsageEventPayload } from '../../shared/usage-event/usage-event.schema';
import { liveEvents, type LoadShape } from './load-shape';

const TICK_MS = 20;
/** Beyond so many unconfirmed messages it waits, and falls behind its pace: the broker takes no more. */
const MAX_UNCONFIRMED = 50_000;

/** Publishes events that occur now, one a message, at a steady pace, and counts what the broker confirms. */
export class PacedPublisher {
  /** Events that were handed to the broker, and those that it confirmed. */
  published = 0;
  confirmed = 0;
  /** Of the confirmed ones, those of the organisation that is watched. */
  confirmedOfWatched = 0;
  refused = 0;

  private constructor(
    private readonly connection: ChannelModel,
    private readonly channel: ConfirmChannel,
    private readonly events: Generator<UsageEventPayload>,
    private readonly watchedOrg: string,
  ) {}

  static async connect(amqpUrl: string, shape: LoadShape, watchedOrg: string): Promise<PacedPublisher> {
    const connection = await connect(amqpUrl);
    const channel = await connection.createConfirmChannel();
    return new PacedPublisher(connection, channel, liveEvents(shape), watchedOrg);
  }

  /** Publishes `perSecond` events a second until `seconds` have passed or `signal` says so; resolves with all confirmed. */
  async run(perSecond: number, seconds: number, signal?: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    for (let sent = 0; !signal?.aborted; await sleep(TICK_MS)) {
      const elapsed = Math.min((performance.now() - startedAt) / 1_000, seconds);
      const due = Math.floor(elapsed * perSecond) - sent;
      const room = MAX_UNCONFIRMED - (this.published - this.confirmed - this.refused);
      for (let n = 0; n < Math.min(due, room); n += 1) this.publishOne();
      sent += Math.max(0, Math.min(due, room));
      if (elapsed === seconds && sent >= Math.floor(seconds * perSecond)) break;
    }
    await this.channel.waitForConfirms();
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  private publishOne(): void {
    const event = this.events.next().value as UsageEventPayload;
    const isWatched = event.orgId === this.watchedOrg;
    this.published += 1;
    this.channel.publish(
      'analytics.usage',
      `usage.${event.orgId}`,
      Buffer.from(JSON.stringify(event)),
      { persistent: true },
      (error: unknown) => {
        if (error) this.refused += 1;
        else this.confirmed += 1;
        if (!error && isWatched) this.confirmedOfWatched += 1;
      },
    );
  }
}
