import type { Channel } from 'amqplib';
import { FakeChannel } from '../../../test/support/session-trial';
import type { RereadMessages } from './reread-batch';
import { type ReplayEnd, StreamReplay, type StreamReplaySettings } from './stream-replay';

const SETTINGS: StreamReplaySettings = {
  stream: 'analytics.usage.v1',
  from: { offset: 3 },
  toOffset: 20,
  batchSize: 100,
  bufferBytes: 1_000_000,
  prefetch: 100,
  decodeRules: { lateHorizon: 86_400_000, knownOrgs: null, maxMessageBytes: 1_000_000 },
  quietMs: 1_000,
};

describe('reading a part of a stream again', () => {
  let channel: FakeChannel;
  let steps: string[];
  let skips: (from: number, to: number) => Promise<void>;

  beforeEach(() => {
    [channel, steps] = [new FakeChannel(), []];
    skips = () => Promise.resolve();
  });

  function read(settings: Partial<StreamReplaySettings>, offsets: readonly number[]): Promise<ReplayEnd> {
    const take = ({ firstOffset, lastOffset, messages }: RereadMessages) =>
      Promise.resolve(void (messages.length > 0 && steps.push(`${firstOffset} to ${lastOffset}`)));
    const explain = (from: number, to: number) => (steps.push(`skip from ${from} to ${to}`), skips(from, to));
    const replay = new StreamReplay(
      channel as unknown as Channel,
      { ...SETTINGS, ...settings },
      take,
      explain,
    );
    const end = replay.run(new AbortController().signal);
    // It consumes in the next turn of the event loop.
    setImmediate(() => {
      for (const offset of offsets) channel.deliver(offset);
    });
    return end;
  }

  it('takes what lies before a skip, asks for what is missing, and goes on when that is explained', async () => {
    expect(await read({}, [3, 4, 7, 8, 25])).toBe('done');
    expect(steps).toEqual(['3 to 4', 'skip from 5 to 7', '7 to 8', 'skip from 9 to 20']);
  });

  it('asks where it begins behind what was asked for, and not where it was asked for a time', async () => {
    expect(await read({}, [5, 20])).toBe('done');
    expect(steps).toEqual(['skip from 3 to 5', '5 to 5', 'skip from 6 to 20']);
    [channel, steps] = [new FakeChannel(), []];
    expect(await read({ from: { time: 0 }, toOffset: 7 }, [5, 6])).toBe('done');
    expect(steps).toEqual(['5 to 6']);
  });

  it('takes nothing behind what was dropped', async () => {
    skips = () => Promise.reject(new Error('dropped'));
    await expect(read({}, [3, 4, 7, 8, 25])).rejects.toThrow('dropped');
    expect(steps).toEqual(['3 to 4', 'skip from 5 to 7']);
  });
});
