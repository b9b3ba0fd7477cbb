import { SessionTrial } from '../../test/support/session-trial';
import { messageHash } from './open-batch';

describe('a session on a stream ends', () => {
  let trial: SessionTrial;

  beforeEach(() => {
    jest.useFakeTimers({ now: new Date('2026-11-23T10:00:00Z') });
    trial = new SessionTrial();
  });
  afterEach(() => jest.useRealTimers());

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
    const error = new Error('The broker did not tell how far back its stream reaches.');
    expect(await trial.endOf(session)).toEqual({ reason: 'failed', error });
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
    trial.channel.deliver(0, Buffer.alloc(100, '7'));
    await jest.advanceTimersByTimeAsync(200);
    await (await trial.commit(1)).succeed();
    // The second batch is being committed, what comes then has to wait.
    for (let offset = 1; offset < 5; offset += 1) {
      expect(await trial.endOf(session)).toBe('running');
      trial.channel.deliver(offset, Buffer.alloc(3_000, '7'));
    }
    expect(await trial.endOf(session)).toEqual({ reason: 'overflowed', meanMessageBytes: 3_000 });
  });

  it('not when it holds just as many bytes as it may', async () => {
    const session = await trial.open({}, { bufferBytes: 10_000 });
    for (let offset = 0; offset < 4; offset += 1) trial.channel.deliver(offset, Buffer.alloc(2_500, '7'));
    expect(await trial.endOf(session)).toBe('running');
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
    for (let offset = 0; offset < 20; offset += 1) {
      trial.channel.deliver(offset, Buffer.alloc(offset === 9 ? 501 : 500, '7'));
      expect(await trial.endOf(session)).toBe('running');
      await (await trial.commit(offset + 1)).succeed();
    }
    expect(await trial.endOf(session)).toEqual({
      reason: 'shrunken',
      meanMessageBytes: 500,
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

describe('a session that has ended', () => {
  let trial: SessionTrial;

  beforeEach(() => {
    jest.useFakeTimers({ now: new Date('2026-11-23T10:00:00Z') });
    trial = new SessionTrial();
  });
  afterEach(() => jest.useRealTimers());

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
    expect(session.isOver).toBe(false);
    trial.channel.emit('close');
    expect(session.isOver).toBe(true);
    trial.channel.deliver(3);
    await (await trial.commit(1)).succeed();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(trial.commits).toHaveLength(1);
    expect(trial.channel.acks).toEqual([]);
  });

  it('does not acknowledge what lies below the cursor either', async () => {
    await trial.open({ nextOffset: 8 });
    trial.channel.emit('close');
    trial.channel.deliver(7);
    expect(trial.channel.acks).toEqual([]);
  });
});
