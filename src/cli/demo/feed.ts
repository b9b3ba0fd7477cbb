import { connect } from 'amqplib';
import type { UsageEventPayload } from '../../shared/usage-event/usage-event.schema';
import { Progress } from '../progress';

const EVENTS_PER_REQUEST = 1_000;
const CONFIRMS_IN_FLIGHT = 2_000;

/** Sends events to the HTTP endpoint. Throws when one of them is not accepted. */
export async function feedOverHttp(
  url: string,
  token: string,
  events: readonly UsageEventPayload[],
): Promise<void> {
  const progress = new Progress('Sending over HTTP', events.length, 'events');
  for (let start = 0; start < events.length; start += EVENTS_PER_REQUEST) {
    const slice = events.slice(start, start + EVENTS_PER_REQUEST);
    const answer = await fetch(`${url}/analytics/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(slice),
    });
    const body = await answer.text();
    if (answer.status !== 202) throw new Error(`The service answered ${answer.status}: ${body}`);
    const { results } = JSON.parse(body) as { results: { status: string; reason?: string }[] };
    const refused = results.find(({ status }) => status !== 'accepted');
    if (refused) throw new Error(`The service refused an event: ${JSON.stringify(refused)}`);
    progress.advance(slice.length);
  }
  progress.stop();
}

/** Publishes events as a router does: one message each, persistent, confirmed by the broker. */
export async function feedOverBroker(amqpUrl: string, events: readonly UsageEventPayload[]): Promise<void> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  const progress = new Progress('Publishing to RabbitMQ', events.length, 'events');
  for (const [index, event] of events.entries()) {
    channel.publish('analytics.usage', `usage.${event.orgId}`, Buffer.from(JSON.stringify(event)), {
      contentType: 'application/json',
      persistent: true,
    });
    if ((index + 1) % CONFIRMS_IN_FLIGHT === 0) {
      await channel.waitForConfirms();
      progress.to(index + 1);
    }
  }
  await channel.waitForConfirms();
  progress.to(events.length);
  progress.stop();
  await connection.close();
}
