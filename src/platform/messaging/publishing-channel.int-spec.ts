import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { eventually } from '../../../test/support/eventually';
import { createTestVhost, type TestVhost } from '../../../test/support/test-vhost';
import { PublishingChannel, type UsageMessage } from './publishing-channel';
import { USAGE_EXCHANGE } from './topology';

const STREAM = 'events';
const ROUTED: UsageMessage = { routingKey: 'usage.here', body: Buffer.from('1') };
const UNROUTED: UsageMessage = { routingKey: 'nowhere', body: Buffer.from('2') };

describe('a channel that publishes', () => {
  let vhost: TestVhost;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let told: string[];
  let publishing: PublishingChannel;

  beforeAll(async () => {
    vhost = await createTestVhost();
    connection = await connect(vhost.url);
    const setup = await connection.createChannel();
    await setup.assertExchange(USAGE_EXCHANGE, 'topic');
    await setup.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } });
    await setup.bindQueue(STREAM, USAGE_EXCHANGE, 'usage.#');
    await setup.close();
  });

  afterAll(async () => {
    await connection?.close();
    await vhost?.drop();
  });

  beforeEach(() => open());

  async function open(stream?: string): Promise<void> {
    channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    told = [];
    publishing = new PublishingChannel(
      channel,
      ({ fields }) => told.push(`returned ${fields.routingKey}`),
      () => told.push('ended'),
      stream,
    );
  }

  it('resolves when the broker has confirmed every message', async () => {
    await publishing.confirm([ROUTED, ROUTED]);
    await publishing.confirm([ROUTED]);
    expect(told).toEqual([]);
  });

  it('ends with a message that reaches no stream, once, and whatever waits beside it fails', async () => {
    const closed = new Promise((resolve) => channel.once('close', resolve));
    const asked = [[UNROUTED, UNROUTED, ROUTED], [ROUTED]].map((messages) => publishing.confirm(messages));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes[0]).toMatchObject({ reason: { message: 'A message has reached no stream.' } });
    expect(told).toEqual(['returned nowhere', 'ended']);
    await expect(publishing.confirm([ROUTED])).rejects.toThrow('A message has reached no stream.');
    await closed;
  });

  it('of one stream sends everything there, whatever the exchange would do with it', async () => {
    await open('other');
    const setup = await connection.createChannel();
    await setup.assertQueue('other', { durable: true, arguments: { 'x-queue-type': 'stream' } });
    const received: string[] = [];
    await setup.prefetch(10);
    await setup.consume('other', (message) => received.push(String(message?.content)), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await publishing.confirm([ROUTED, UNROUTED]);
    await eventually(() => expect(received).toEqual(['1', '2']));
    expect(told).toEqual([]);
    await setup.deleteQueue('other');
    await setup.close();
  });

  it('of one stream that is not there ends with the first message', async () => {
    await open('missing');
    await expect(publishing.confirm([ROUTED, ROUTED])).rejects.toThrow('A message has reached no stream.');
    expect(told).toEqual(['returned missing', 'ended']);
  });

  it('ends with a message that the broker refuses', async () => {
    const setup = await connection.createChannel();
    await setup.assertQueue('full', {
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await setup.bindQueue('full', USAGE_EXCHANGE, 'full');
    const toFull: UsageMessage = { routingKey: 'full', body: Buffer.from('3') };
    await expect(publishing.confirm([toFull, toFull, toFull])).rejects.toThrow();
    expect(told).toEqual(['ended']);
    await expect(publishing.confirm([ROUTED])).rejects.toThrow();
    await setup.deleteQueue('full');
  });

  it('ends when it is closed, and what is not confirmed by then fails', async () => {
    const asked = publishing.confirm([ROUTED]);
    await channel.close();
    await asked.catch(() => undefined);
    expect(told).toEqual(['ended']);
    await expect(publishing.confirm([ROUTED])).rejects.toThrow(/closed/);
  });
});
