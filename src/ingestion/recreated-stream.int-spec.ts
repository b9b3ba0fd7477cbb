import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { eventually } from '../../test/support/eventually';
import { PROTOCOLS, StreamTrial } from '../../test/support/stream-trial';
import { usageEvent } from '../../test/support/usage-events';
import { RECREATION } from './partition-upkeep';

/** A session is measured once it has been quiet for a second; an answer and the next measurement take as long each. */
const MEASURED_TWICE_MS = 4_500;

describe.each(PROTOCOLS)('a stream that is not the one it was, read over %s', (protocol) => {
  let trial: StreamTrial;

  beforeEach(async () => {
    trial = await StreamTrial.begin(protocol);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await trial.end();
  });

  async function readTo(offset: number): Promise<void> {
    await trial.start();
    await trial.producer.publish(Array.from({ length: offset }, () => usageEvent()));
    await trial.stored(offset);
    await trial.replicas.splice(0)[0]?.close();
  }

  /** What an operator does who deletes the stream and declares it again, with `messages` published since. */
  async function recreate(messages: number): Promise<void> {
    const connection = await connect(trial.vhost.url);
    const channel = await connection.createChannel();
    await channel.deleteQueue('analytics.usage.v1');
    await channel.assertQueue('analytics.usage.v1', {
      durable: true,
      arguments: {
        'x-queue-type': 'stream',
        'x-max-age': '604800s',
        'x-max-length-bytes': 50_000_000_000,
        'x-stream-max-segment-size-bytes': 500_000_000,
      },
    });
    await channel.bindQueue('analytics.usage.v1', 'analytics.usage', 'usage.#');
    await connection.close();
    await trial.producer.publish(Array.from({ length: messages }, () => usageEvent()));
  }

  async function isKnown(messages: number): Promise<void> {
    await eventually(async () => {
      expect(await trial.rowsOf('select kind, incarnation, from_offset, to_offset from data_gaps')).toEqual([
        { kind: 'recreated', incarnation: 1, from_offset: '10', to_offset: null },
      ]);
    });
    await trial.stored(10 + messages);
    await trial.producer.publish([usageEvent()]);
    await trial.stored(10 + messages + 1);
    expect(await trial.rowsOf('select next_offset, incarnation from ingest_cursors')).toEqual([
      { next_offset: String(messages + 1), incarnation: 2 },
    ]);
  }

  it.each([
    ['a longer one, by the message below the cursor', 30],
    ['a shorter one, because it ends below the cursor and stays as it is', 5],
  ])('knows %s; notes the gap and reads it from its start', async (_, messages) => {
    jest.replaceProperty(RECREATION, 'unchangedMs', 500);
    await readTo(10);
    await recreate(messages);
    await trial.start();
    await isKnown(messages);
  });

  it('knows one that was empty by what is written to it after the last commit', async () => {
    jest.replaceProperty(RECREATION, 'clocksApartMs', 0);
    await readTo(10);
    await recreate(0);
    await trial.start();
    await sleep(MEASURED_TWICE_MS);
    expect(await trial.rowsOf('select kind from data_gaps')).toEqual([]);
    await trial.producer.publish([usageEvent()]);
    await isKnown(1);
  });

  it('takes no quiet stream for another one', async () => {
    await readTo(10);
    jest.replaceProperty(RECREATION, 'unchangedMs', 500);
    const app = await trial.start();
    await sleep(MEASURED_TWICE_MS);
    await trial.reads(app);
    expect(await trial.rowsOf('select kind from data_gaps')).toEqual([]);
    expect(await trial.rowsOf('select next_offset, incarnation from ingest_cursors')).toEqual([
      { next_offset: '10', incarnation: 1 },
    ]);
  });
});
