import { SessionTrial } from '../../test/support/session-trial';
import { usageEvent } from '../../test/support/usage-events';
import { messageHash } from './open-batch';

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

    it('of all that arrived, although it is decoded a little at a time', async () => {
      await trial.open();
      const large = Buffer.from(JSON.stringify(usageEvent({ metadata: { padding: 'x'.repeat(15_000) } })));
      trial.channel.deliver(0);
      await jest.advanceTimersByTimeAsync(200);
      for (let offset = 1; offset <= 12; offset += 1) trial.channel.deliver(offset, large);
      await jest.advanceTimersByTimeAsync(200);
      await (await trial.commit(1)).succeed();
      expect(await trial.sizes()).toEqual([1, 12]);
      expect((await trial.commit(2)).source).toMatchObject({ firstOffset: 1, lastOffset: 12 });
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
      trial.oldestOffset = () => Promise.resolve(1);
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

    it('at the cursor where the message below is gone', async () => {
      const session = await trial.open({ nextOffset: 8, lastMessageHash: messageHash(Buffer.from('known')) });
      trial.channel.deliver(8);
      expect(session.isVerified).toBe(true);
      await jest.advanceTimersByTimeAsync(200);
      expect((await trial.commit(1)).source).toMatchObject({ expectedOffset: 8, firstOffset: 8 });
    });
  });

  describe('ends', () => {
    it('when another message than the known one lies below the cursor', async () => {
      const session = await trial.open({ nextOffset: 8, lastMessageHash: messageHash(Buffer.from('known')) });
      trial.channel.deliver(7, Buffer.from('another'));
      trial.channel.deliver(8);
      expect(await trial.endOf(session)).toEqual({ reason: 'recreated' });
    });

    it.each([0, 8])('when messages from the cursor at %d on are gone, with the first there is', async (nextOffset) => {
      const session = await trial.open({ nextOffset });
      trial.channel.deliver(50);
      trial.channel.deliver(51);
      expect(await trial.endOf(session)).toEqual({ reason: 'truncated', firstOffset: 50 });
    }); // prettier-ignore

    it('when messages were dropped while it was behind, with all before them committed and nothing after', async () => {
      const session = await trial.open({}, { batchSize: 10 });
      trial.oldestOffset = () => Promise.resolve(49);
      for (const offset of [0, 1, 50, 51]) trial.channel.deliver(offset);
      expect(session.quietSince).toBeUndefined();
      expect(await trial.endOf(session)).toBe('running');
      await (await trial.commit(1)).succeed();
      expect(await trial.endOf(session)).toEqual({ reason: 'truncated', firstOffset: 50 });
      await jest.advanceTimersByTimeAsync(1_000);
      expect(session.nextOffset).toBe(2);
      expect(trial.commits).toHaveLength(1);
    });

    it('and reads again when the broker does not tell whether a skip is a loss', async () => {
      const session = await trial.open({ nextOffset: 8 });
      trial.oldestOffset = () => Promise.resolve(undefined);
      trial.channel.deliver(7);
      trial.channel.deliver(9);
      expect(await trial.endOf(session)).toMatchObject({ reason: 'failed' });
      expect(trial.commits).toEqual([]);
    });

    it('for the reason that its channel has', async () => {
      const session = await trial.open();
      const error = new Error('The chunk at offset 3 is damaged.');
      trial.channel.emit('close', error);
      expect(await trial.endOf(session)).toEqual({ reason: 'failed', error });
    });

    it('not while the broker is asked why offsets skip, and asks it once', async () => {
      const session = await trial.open({ nextOffset: 1 });
      let asked = 0;
      trial.oldestOffset = () => ((asked += 1), new Promise(() => undefined));
      trial.channel.deliver(0);
      for (const offset of [3, 4, 5]) trial.channel.deliver(offset);
      await jest.advanceTimersByTimeAsync(1_000);
      expect(asked).toBe(1);
      expect(await trial.endOf(session)).toBe('running');
    });

    it('when it holds more bytes than it may, with their mean', async () => {
      const session = await trial.open({}, { bufferBytes: 10_000 });
      // The first batch is being committed, what comes then has to wait.
      for (let offset = 0; offset < 4; offset += 1) trial.channel.deliver(offset, Buffer.alloc(3_000, '7'));
      expect(await trial.endOf(session)).toEqual({ reason: 'overflowed', meanMessageBytes: 3_000 });
    });

    it('not for one message that is larger than the buffer, when it asks for one at a time', async () => {
      const session = await trial.open({}, { bufferBytes: 1_000, prefetch: 1 });
      trial.channel.deliver(0, Buffer.alloc(3_000, '7'));
      await (await trial.commit(1)).succeed();
      trial.channel.deliver(1, Buffer.alloc(3_000, '7'));
      await (await trial.commit(2)).succeed();
      expect(await trial.endOf(session)).toBe('running');
    });

    it('not for bytes that are committed already', async () => {
      const session = await trial.open({}, { bufferBytes: 10_000 });
      for (let offset = 0; offset < 10; offset += 1) {
        trial.channel.deliver(offset, Buffer.alloc(3_000, '7'));
        await (await trial.commit(offset + 1)).succeed();
      }
      expect(await trial.endOf(session)).toBe('running');
    });

    it('when messages have been small for ten batches, and not before', async () => {
      const session = await trial.open({}, { batchSize: 1, smallMessageBytes: 500 });
      const large = Buffer.from(JSON.stringify(usageEvent({ metadata: { padding: 'x'.repeat(1_000) } })));
      for (let offset = 0; offset < 20; offset += 1) {
        trial.channel.deliver(offset, offset === 9 ? large : undefined);
        expect(await trial.endOf(session)).toBe('running');
        await (await trial.commit(offset + 1)).succeed();
      }
      expect(await trial.endOf(session)).toEqual({
        reason: 'shrunken',
        meanMessageBytes: expect.any(Number),
      });
      expect(trial.channel.acks.at(-1)).toBe('up to 20');
    });

    it.each([
      ['the channel is closed', () => trial.channel.emit('close')],
      ['the broker cancels the consumer', () => trial.channel.cancel()],
    ])('when %s', async (_, happen) => {
      const session = await trial.open();
      happen();
      expect(await trial.endOf(session)).toEqual({ reason: 'closed' });
    });

    it('for its first reason', async () => {
      const session = await trial.open();
      trial.channel.emit('close');
      void session.stop({ reason: 'stopped' });
      expect(await trial.endOf(session)).toEqual({ reason: 'closed' });
    });
  });

  describe('that has ended', () => {
    it('waits for the batch that is being committed, and keeps what it has committed', async () => {
      const session = await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 3; offset += 1) trial.channel.deliver(offset);
      let stopped = false;
      const stopping = session.stop({ reason: 'stopped' }).then(() => (stopped = true));
      await jest.advanceTimersByTimeAsync(60_000);
      expect(stopped).toBe(false);
      await (await trial.commit(1)).succeed();
      await stopping;
      expect(session.nextOffset).toBe(2);
    });

    it('neither ingests nor acknowledges', async () => {
      const session = await trial.open({}, { batchSize: 2 });
      for (let offset = 0; offset < 3; offset += 1) trial.channel.deliver(offset);
      trial.channel.emit('close');
      expect(session.isOver).toBe(true);
      trial.channel.deliver(3);
      await (await trial.commit(1)).succeed();
      await jest.advanceTimersByTimeAsync(60_000);
      expect(trial.commits).toHaveLength(1);
      expect(trial.channel.acks).toEqual([]);
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
});
