import { setTimeout as sleep } from 'node:timers/promises';
import { type ChannelModel, connect } from 'amqplib';
import { createTestVhost, type TestVhost } from '../../test/support/test-vhost';
import { firstOffsetSince, hasNeighbour, newestOffset, probeStream } from './stream-probe';

const SECOND = 1_000;
/** Long enough for a slow machine: only what ends with nothing takes all of it. */
const WAIT_MS = 1_000;

describe('asking a stream where it ends', () => {
  const stream = 'probed';
  let vhost: TestVhost;
  let connection: ChannelModel;

  beforeAll(async () => {
    vhost = await createTestVhost();
    connection = await connect(vhost.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(stream, { durable: true, arguments: { 'x-queue-type': 'stream' } });
    for (let message = 0; message < 5; message += 1) channel.sendToQueue(stream, Buffer.from('{}'));
    await channel.waitForConfirms();
  });
  afterAll(async () => {
    await connection.close();
    await vhost.drop();
  });

  it('finds the oldest and the newest message', async () => {
    expect(await probeStream(await connection.createChannel(), stream, 'first', WAIT_MS)).toBe(0);
    expect(await newestOffset(await connection.createChannel(), stream, WAIT_MS)).toBe(4);
  });

  it('tells whether a message follows another one, and that it does not know where it gets neither', async () => {
    const follows = async (offset: number) =>
      hasNeighbour(await connection.createChannel(), stream, offset, WAIT_MS);
    expect(await follows(0)).toBe(true);
    expect(await follows(3)).toBe(true);
    expect(await follows(4)).toBe(false);
    expect(await follows(400)).toBeUndefined();
  });

  it('finds what was written since an instant, and otherwise nothing before it comes', async () => {
    const since = async (instant: number, waitMs: number) =>
      firstOffsetSince(await connection.createChannel(), stream, instant, waitMs);
    await sleep(SECOND - (Date.now() % SECOND));
    const instant = Date.now() + SECOND;
    expect(await since(instant, WAIT_MS)).toBeUndefined();
    const next = since(instant + 60 * SECOND, 20 * SECOND);
    await sleep(2 * SECOND);
    const channel = await connection.createConfirmChannel();
    for (let message = 0; message < 2; message += 1) {
      channel.sendToQueue(stream, Buffer.from('{}'));
      await channel.waitForConfirms();
    }
    expect(await next).toBe(5);
    expect(await since(instant, WAIT_MS)).toBe(5);
    expect(await since(0, WAIT_MS)).toBe(0);
  });
});
