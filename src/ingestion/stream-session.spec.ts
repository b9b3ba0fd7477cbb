import { SessionTrial } from '../../test/support/session-trial';
import { usageEvent } from '../../test/support/usage-events';
import { streamBytes } from './ingestion.metrics';
import { messageHash } from './open-batch';
import { PreparedBatch, prepareBatch } from './prepared-batch';

describe('a session on a stream', () => {
  let trial: SessionTrial;

  beforeEach(() => {
    jest.useFakeTimers({ now: new Date('2026-11-23T10:00:00Z') });
    trial = new SessionTrial();
  });
  afterEach(() => jest.useRealTimers());

  describe('makes batches', () => {
    it('that close when their first message has waited, however many follow', async () => {
      await trial.open();
      trial.channel.deliver(0);
      for (let offset = 1; offset < 4; offset += 1) {
        await jest.advanceTimersByTimeAsync(60);
        trial.channel.deliver(offset);
      }
      await jest.advanceTimersByTimeAsync(19);
      expect(trial.commits).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      expect(await trial.sizes()).toEqual([4]);
    });

    it('that close in time although the clock was set back meanwhile', async () => {
      await trial.open();
      trial.channel.deliver(0);
      jest.setSystemTime(new Date('2026-11-23T09:00:00Z'));
      trial.channel.deliver(1);
      await jest.advanceTimersByTimeAsync(200);
      expect(await trial.sizes()).toEqual([2]);
    });

    it('whose wait begins anew with each batch', async () => {
      await trial.open();
      trial.channel.deliver(0);
      await jest.advanceTimersByTimeAsync(200);
      await (await trial.commit(1)).succeed();
      await jest.advanceTimersByTimeAsync(5_000);
      trial.channel.deliver(1);
      await jest.advanceTimersByTimeAsync(199);
      expect(await trial.sizes()).toEqual([1]);
      await jest.advanceTimersByTimeAsync(1);
      expect(await trial.sizes()).toEqual([1, 1]);
    });

    it('that close at once when they are full, of good events and bad ones', async () => {
      await trial.open({}, { batchSize: 3 });
      trial.channel.deliver(0);
      trial.channel.deliver(1, Buffer.from('{"poison":'));
      expect(trial.commits).toEqual([]);
      trial.channel.deliver(2);
      const { batch, source } = await trial.commit(1);
      expect(batch.events.map(({ offset }) => offset)).toEqual([0, 2]);
      expect(batch.rejects.map(({ offset }) => offset)).toEqual([1]);
      expect(source).toMatchObject({ epoch: 3, firstOffset: 0, lastOffset: 2, expectedOffset: 0 });
    });

    it('that hold a message whole, also when it makes them larger than they should be', async () => {
      await trial.open({}, { batchSize: 3 });
      trial.channel.deliver(0);
      trial.channel.deliver(1, Buffer.from(JSON.stringify(Array.from({ length: 7 }, () => usageEvent()))));
      trial.channel.deliver(2);
      expect(await trial.sizes()).toEqual([8]);
      expect((await trial.commit(1)).source).toMatchObject({ firstOffset: 0, lastOffset: 1 });
    });

    it('that close at a quarter of the buffer', async () => {
      await trial.open({}, { bufferBytes: 40_000 });
      const large = Buffer.from(JSON.stringify(usageEvent({ metadata: { padding: 'x'.repeat(3_000) } })));
      for (let offset = 0; offset < 4; offset += 1) trial.channel.deliver(offset, large);
      expect(await trial.sizes()).toEqual([4]);
    });

    it('that close at a quarter of the buffer to the byte', async () => {
      await trial.open({}, { bufferBytes: 10_000 });
      trial.channel.deliver(0, Buffer.alloc(2_500, '7'));
      expect(await trial.sizes()).toEqual([1]);
    });

    it('of all that waited, decoded a little in each turn of the event loop', async () => {
      const turns: number[] = [];
      let inTurn = 0;
      await trial.open({}, { batchSize: 13 }, () => {
        if (inTurn === 0) void Promise.resolve().then(() => (turns.push(inTurn), (inTurn = 0)));
        inTurn += 1;
      });
      // One batch is being committed and the next one is full: what comes now waits undecoded.
      for (let offset = 0; offset < 26; offset += 1) trial.channel.deliver(offset);
      await jest.advanceTimersByTimeAsync(200);
      const large = Buffer.from(JSON.stringify(usageEvent({ metadata: { padding: 'x'.repeat(3_500) } })));
      for (let offset = 26; offset < 38; offset += 1) trial.channel.deliver(offset, large);
      await jest.advanceTimersByTimeAsync(200);
      turns.length = 0;
      await (await trial.commit(1)).succeed();
      await (await trial.commit(2)).succeed();
      await jest.advanceTimersByTimeAsync(1);
      expect(turns).toEqual([5, 5, 2]);
      expect(await trial.sizes()).toEqual([13, 13, 12]);
      expect((await trial.commit(3)).source).toMatchObject({ firstOffset: 26, lastOffset: 37 });
    });

    it('whose rows are made while the one before them commits, and not before they are full', async () => {
      const made = jest.spyOn(PreparedBatch.prototype, 'eventRows');
      await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 3; offset += 1) trial.channel.deliver(offset);
      await jest.advanceTimersByTimeAsync(0);
      expect(made).not.toHaveBeenCalled();
      trial.channel.deliver(3);
      for (let turn = 0; turn < 3; turn += 1) await jest.advanceTimersByTimeAsync(1);
      expect(await trial.sizes()).toEqual([2]);
      expect(made).toHaveBeenCalledTimes(1);
      await (await trial.commit(1)).succeed();
      const { batch } = await trial.commit(2);
      expect(made.mock.contexts).toEqual([prepareBatch(batch.events)]);
      made.mockRestore();
    });

    it('that remember their last message', async () => {
      await trial.open({}, { batchSize: 2 });
      const last = Buffer.from(JSON.stringify(usageEvent()));
      trial.channel.deliver(0);
      trial.channel.deliver(1, last);
      expect((await trial.commit(1)).source.lastMessageHash).toEqual(messageHash(last));
    });
  });

  describe('commits', () => {
    it('one batch at a time and in order, while the next one fills', async () => {
      const session = await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 7; offset += 1) trial.channel.deliver(offset);
      await jest.advanceTimersByTimeAsync(1_000);
      expect(trial.commits).toHaveLength(1);
      await (await trial.commit(1)).succeed();
      await (await trial.commit(2)).succeed();
      await (await trial.commit(3)).succeed();
      // The last one is not full, but its time was over long before it had its turn.
      await (await trial.commit(4)).succeed();
      expect(trial.commits.map(({ source }) => [source.expectedOffset, source.lastOffset])).toEqual([
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 6],
      ]);
      expect(session.nextOffset).toBe(7);
    });

    it('offsets that skip, as they do at the beginning of a segment, in batches of their own', async () => {
      const session = await trial.open({}, { batchSize: 3 });
      // The stream still has all there was from the cursor on: nothing is lost.
      trial.oldestOffset = () => Promise.resolve(2);
      for (const offset of [0, 1, 3, 4, 6]) trial.channel.deliver(offset);
      await (await trial.commit(1)).succeed();
      await (await trial.commit(2)).succeed();
      await jest.advanceTimersByTimeAsync(200);
      await (await trial.commit(3)).succeed();
      expect(trial.commits.map(({ source }) => [source.expectedOffset, source.firstOffset, source.lastOffset])).toEqual([
        [0, 0, 1],
        [2, 3, 4],
        [5, 6, 6],
      ]); // prettier-ignore
      expect(session.nextOffset).toBe(7);
      expect(trial.channel.acks).toEqual(['up to 2', 'up to 4', 'up to 5']);
    });

    it('before it acknowledges, and acknowledges all of the batch at once', async () => {
      await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 4; offset += 1) trial.channel.deliver(offset);
      await jest.advanceTimersByTimeAsync(1_000);
      expect(trial.channel.acks).toEqual([]);
      await (await trial.commit(1)).succeed();
      expect(trial.channel.acks).toEqual(['up to 2']);
      await (await trial.commit(2)).succeed();
      expect(trial.channel.acks).toEqual(['up to 2', 'up to 4']);
    });

    it('nothing more once a commit has failed, and acknowledges nothing of it', async () => {
      const session = await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 6; offset += 1) trial.channel.deliver(offset);
      await (await trial.commit(1)).succeed();
      const error = new Error('The partition was taken over.');
      await (await trial.commit(2)).fail(error);
      trial.channel.deliver(6);
      await jest.advanceTimersByTimeAsync(1_000);
      expect(await trial.endOf(session)).toEqual({ reason: 'failed', error });
      expect(trial.commits).toHaveLength(2);
      expect(trial.channel.acks).toEqual(['up to 2']);
      expect(session.nextOffset).toBe(2);
    });
  });

  describe('begins', () => {
    it('with the first message there is where nothing was ever read', async () => {
      await trial.open();
      expect(trial.channel.told).toEqual([
        { prefetch: 300 },
        { queue: 'analytics.usage.v1', noAck: false, arguments: { 'x-stream-offset': 'first' } },
      ]);
    });

    it('with the message below the cursor, which it knows again and does not ingest', async () => {
      const known = Buffer.from('known');
      const session = await trial.open({ nextOffset: 8, lastMessageHash: messageHash(known) });
      expect(trial.channel.told.at(-1)).toMatchObject({ arguments: { 'x-stream-offset': 7 } });
      expect(session.isVerified).toBe(false);
      trial.channel.deliver(7, known);
      expect(session.isVerified).toBe(true);
      trial.channel.deliver(8);
      await jest.advanceTimersByTimeAsync(200);
      expect((await trial.commit(1)).source).toMatchObject({
        expectedOffset: 8,
        firstOffset: 8,
        lastOffset: 8,
      });
      // Not acknowledging it would cost a place of the prefetch for as long as the session lasts.
      expect(trial.channel.acks).toEqual([1]);
    });

    it('with a message that it cannot compare where its hash is not known', async () => {
      const session = await trial.open({ nextOffset: 8 });
      trial.channel.deliver(7);
      expect(session.isVerified).toBe(true);
      expect(await trial.endOf(session)).toBe('running');
    });

    it('with the message below the cursor also when the broker sends some before it', async () => {
      const known = Buffer.from('known');
      const session = await trial.open({ nextOffset: 8, lastMessageHash: messageHash(known) });
      trial.channel.deliver(5);
      trial.channel.deliver(6);
      expect(session.isVerified).toBe(false);
      trial.channel.deliver(7, known);
      trial.channel.deliver(8);
      await jest.advanceTimersByTimeAsync(200);
      expect((await trial.commit(1)).source).toMatchObject({ firstOffset: 8, lastOffset: 8 });
      expect(trial.channel.acks).toEqual([1, 2, 3]);
    });

    it('at the cursor where the message below is gone', async () => {
      const session = await trial.open({ nextOffset: 8, lastMessageHash: messageHash(Buffer.from('known')) });
      trial.channel.deliver(8);
      expect(session.isVerified).toBe(true);
      await jest.advanceTimersByTimeAsync(200);
      expect((await trial.commit(1)).source).toMatchObject({ expectedOffset: 8, firstOffset: 8 });
    });
  });

  it('tells since when it is quiet, and that it is not while something is left to commit', async () => {
    const session = await trial.open({}, { batchSize: 2 });
    expect(session.quietSince).toBe(performance.now());
    trial.channel.deliver(0);
    expect(session.quietSince).toBeUndefined();
    await jest.advanceTimersByTimeAsync(200);
    expect(session.quietSince).toBeUndefined();
    await (await trial.commit(1)).succeed();
    const quietFrom = performance.now();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(session.quietSince).toBe(quietFrom);
  });

  it('counts the bytes of what is committed, by partition', async () => {
    const counted = async () =>
      (await streamBytes.get()).values.find(({ labels }) => labels.partition === 21)?.value ?? 0;
    await trial.open({ partition: 21 }, { batchSize: 1 });
    trial.channel.deliver(0, Buffer.alloc(300, '7'));
    expect(await counted()).toBe(0);
    await (await trial.commit(1)).succeed();
    expect(await counted()).toBe(300);
  });
});
