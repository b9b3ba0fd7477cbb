import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { eventually } from '../../../../test/support/eventually';
import { TcpProxy } from '../../../../test/support/tcp-proxy';
import { createTestVhost, type TestVhost } from '../../../../test/support/test-vhost';
import type { StreamMessage } from '../stream-channel';
import { StreamProtocolChannel } from './stream-protocol-channel';

const STREAM = 'read';

describe('reading a stream by its own protocol', () => {
  let vhost: TestVhost;
  let proxy: TcpProxy;
  let connection: ChannelModel;
  const opened: StreamProtocolChannel[] = [];

  beforeEach(async () => {
    vhost = await createTestVhost();
    proxy = await TcpProxy.before(`amqp://127.0.0.1:${vhost.streamPort}`);
    connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await channel.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } });
  });
  afterEach(async () => {
    await proxy.heal();
    await Promise.all(opened.splice(0).map((channel) => channel.close()));
    await connection.close();
    await Promise.all([proxy.close(), vhost.drop()]);
  });

  async function publish(bodies: readonly Buffer[], headers: Record<string, unknown> = {}): Promise<void> {
    const channel = await connection.createConfirmChannel();
    for (const body of bodies)
      channel.sendToQueue(STREAM, body, { headers, contentType: 'application/json', messageId: 'one' });
    await channel.waitForConfirms();
  }

  async function open(amqpUrl = vhost.url, port = proxy.port): Promise<StreamProtocolChannel> {
    const options = { amqpUrl, port, connectionName: 'test', headers: ['traceparent'] };
    const channel = await StreamProtocolChannel.open(options);
    opened.push(channel);
    return channel;
  }

  async function read(from: number | 'first', prefetch = 1_000, stream = STREAM) {
    const received: (StreamMessage | null)[] = [];
    const channel = await open();
    await channel.prefetch(prefetch);
    const options = { noAck: false, arguments: { 'x-stream-offset': from } } as const;
    await channel.consume(stream, (message) => received.push(message), options);
    return { received, channel };
  }

  /** What a client of AMQP 0-9-1 gets. */
  async function readOverAmqp(count: number): Promise<ConsumeMessage[]> {
    const channel = await connection.createChannel();
    await channel.prefetch(count);
    const received: ConsumeMessage[] = [];
    await channel.consume(STREAM, (message) => message && received.push(message), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await eventually(() => expect(received).toHaveLength(count));
    return received;
  }

  it('delivers the bytes, offsets and headers that AMQP 0-9-1 delivers', async () => {
    const bodies = ['', '{}', 'x'.repeat(255), 'x'.repeat(256), 'x'.repeat(70_000)].map((body) => Buffer.from(body)); // prettier-ignore
    await publish(bodies, {
      traceparent: '00-ab-cd-01',
      'cloudEvents:id': '1',
      attempt: 3,
      nested: { a: 1 },
    });
    await publish([Buffer.from('last')]);
    const expected = await readOverAmqp(6);
    const { received } = await read('first');
    await eventually(() => expect(received).toHaveLength(6));
    expect(received.map((message) => message?.content)).toEqual(expected.map(({ content }) => content));
    expect(received.map((message) => message?.properties.headers)).toEqual(
      expected.map(({ properties: { headers = {} } }) => ({
        'x-stream-offset': headers['x-stream-offset'] as unknown,
        traceparent: headers['traceparent'] as unknown,
      })),
    );
  });

  it('begins at an offset in the middle of a chunk, and behind the end waits for what comes', async () => {
    await publish(Array.from({ length: 50 }, (_, index) => Buffer.from(String(index))));
    const [middle, end] = [await read(33), await read(50)];
    await eventually(() => expect(middle.received).toHaveLength(17));
    expect(middle.received.at(0)?.content.toString()).toBe('33');
    expect(end.received).toEqual([]);
    await publish([Buffer.from('new')]);
    await eventually(() => expect(end.received.at(0)?.content.toString()).toBe('new'));
  });

  it('delivers no more than what was asked for and what is on its way, until it is acknowledged', async () => {
    for (let part = 0; part < 100; part += 1) await publish([Buffer.from(String(part))]);
    const { received, channel } = await read('first', 10);
    await eventually(() => expect(received.length).toBeGreaterThanOrEqual(10));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(received.length).toBeLessThanOrEqual(20);
    for (let acknowledged = 0; acknowledged < 100;) {
      await eventually(() => expect(received.length).toBeGreaterThan(acknowledged));
      acknowledged = received.length;
      channel.ack({ fields: { deliveryTag: acknowledged } }, true);
    }
    expect(received.map((message) => message?.content.toString())).toEqual(
      Array.from({ length: 100 }, (_, index) => String(index)),
    );
  });

  it('tells that the stream has been deleted', async () => {
    const { received } = await read('first');
    await (await connection.createChannel()).deleteQueue(STREAM);
    await eventually(() => expect(received).toEqual([null]));
  });

  it('closes with its connection, and when nothing is heard of the broker', async () => {
    const [reset, silent] = [await read('first'), await read('first')];
    const closed = ({ channel }: typeof reset) =>
      new Promise<Error | undefined>((resolve) => channel.once('close', resolve));
    const resetAt = closed(reset);
    proxy.resetConnections();
    expect((await resetAt)?.message).toMatch(/ECONNRESET/);
    await eventually(() => expect(proxy.openConnections).toBe(0));
    const next = await read('first');
    const silenced = closed(next);
    proxy.blackHole();
    expect((await silenced)?.message).toBe('nothing was heard of it for 10 s');
    expect(silent.received).toEqual([]);
  });

  it('says in a sentence what the broker refuses', async () => {
    const wrong = Object.assign(new URL(vhost.url), { password: 'wrong' }).href;
    await expect(open(wrong)).rejects.toThrow(/^The stream protocol of RabbitMQ at 127\.0\.0\.1:\d+: it does not accept the user or the password\.$/); // prettier-ignore
    const foreign = Object.assign(new URL(vhost.url), { pathname: '/missing' }).href;
    await expect(open(foreign)).rejects.toThrow('the user may not use this virtual host');
    await expect(read('first', 10, 'missing')).rejects.toThrow('there is no such stream');
    await proxy.cut();
    await expect(open()).rejects.toThrow(/^The stream protocol of RabbitMQ at .*ECONNREFUSED/);
    // An address of IPv6 is one, too, whether or not this machine has any.
    await expect(open('amqp://[::1]')).rejects.toThrow(/^The stream protocol of RabbitMQ at \[::1\]:.*(ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT|ENETUNREACH)/); // prettier-ignore
  });
});
