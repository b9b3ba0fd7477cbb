import { EventEmitter } from 'node:events';
import { decodeUsageMessage } from '../../shared/usage-event/decode-usage-message';
import { usageEvent } from '../../../test/support/usage-events';
import type { Config } from '../config/config';
import { AmqpUsageEventPublisher } from './amqp-usage-event-publisher';
import type { Broker } from './broker';

class ConfirmingChannel extends EventEmitter {
  readonly published: string[] = [];
  readonly declared: Promise<void>;
  fail!: (error: Error) => void;
  declare!: () => void;

  constructor() {
    super();
    this.declared = new Promise((resolve, reject) => ([this.declare, this.fail] = [resolve, reject]));
  }

  publish(_: string, routingKey: string, __: Buffer, ___: object, confirm: (error: null) => void): void {
    this.published.push(routingKey);
    confirm(null);
  }

  close = () => Promise.resolve();
}

describe('the publisher of usage events', () => {
  it('keeps the channel it has when an earlier one fails late', async () => {
    const channels: ConfirmingChannel[] = [];
    const broker = {
      publishing: new EventEmitter(),
      confirmsOneStream: false,
      openPublishingChannel: () => {
        channels.push(new ConfirmingChannel());
        return Promise.resolve(channels.at(-1));
      },
      declareTopology: ({ declared }: ConfirmingChannel) => declared,
    };
    const config = { amqpPublishTimeout: 1_000, ingestPartitions: 1 };
    const publisher = new AmqpUsageEventPublisher(broker as unknown as Broker, config as Config);
    const rules = { lateHorizon: Infinity, knownOrgs: null, maxMessageBytes: 1_000_000 };
    const { events } = decodeUsageMessage(Buffer.from(JSON.stringify(usageEvent())), rules, Date.now(), 0);
    const publish = () => publisher.publish(events.map(({ event }) => event));
    const turn = () => new Promise((resolve) => setImmediate(resolve));

    const first = publish().catch((error: Error) => error.message);
    await turn();
    channels[0]?.emit('close');
    const second = publish();
    await turn();
    channels[1]?.declare();
    expect(await second).toEqual(['accepted']);
    channels[0]?.fail(new Error('The channel is closed.'));
    expect(await first).toMatch('The broker does not take events now');
    expect(await publish()).toEqual(['accepted']);
    expect(channels.map(({ published }) => published.length)).toEqual([0, 2]);
  });
});
