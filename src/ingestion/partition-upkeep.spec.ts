import { EventEmitter } from 'node:events';
import { Logger } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import type { Broker } from '../platform/messaging/broker';
import type { IngestionProgress } from './ingestion-progress';
import type { OwnedCursor, PartitionLeases } from './partition-leases';
import type { PartitionShares } from './partition-shares';
import { PartitionUpkeep, RECREATION } from './partition-upkeep';
import type { SessionEnd, StreamSession } from './stream-session';

const NOW = new Date('2026-11-23T10:00:00Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

type Receive = (message: ConsumeMessage) => void;

/** What one node has of a stream: chunks that come to it in their order, each with when its leader wrote it. */
class Replica {
  isSilent = false;
  private readonly chunks: { first: number; last: number; writtenAt: number }[] = [];
  private readonly consumers = new Set<{ from: number; receive: Receive }>();

  get end(): number {
    return this.chunks.at(-1)?.last ?? -1;
  }

  append(messages: number, writtenAt = Date.now()): void {
    const chunk = { first: this.end + 1, last: this.end + messages, writtenAt };
    this.chunks.push(chunk);
    for (const consumer of this.consumers) this.deliver(consumer, chunk);
  }

  openChannel(): EventEmitter {
    let consumer: { from: number; receive: Receive } | undefined;
    return Object.assign(new EventEmitter(), {
      prefetch: () => Promise.resolve(),
      consume: (_: string, receive: Receive, options: { arguments: { 'x-stream-offset': unknown } }) => {
        consumer = { from: this.startOf(options.arguments['x-stream-offset']), receive };
        this.consumers.add(consumer);
        for (const chunk of this.chunks) this.deliver(consumer, chunk);
        return Promise.resolve();
      },
      close: () => Promise.resolve(consumer && this.consumers.delete(consumer)),
    });
  }

  isAskedFor(offset: number): boolean {
    return [...this.consumers].some(({ from }) => from === offset);
  }

  private startOf(asked: unknown): number {
    if (asked === 'last') return this.chunks.at(-1)?.first ?? 0;
    if (typeof asked === 'number') return asked;
    const since = (asked as { value: number }).value * SECOND;
    return this.chunks.find(({ writtenAt }) => writtenAt >= since)?.first ?? this.end + 1;
  }

  private deliver(
    { from, receive }: { from: number; receive: Receive },
    chunk: { first: number; last: number },
  ) {
    if (this.isSilent) return;
    for (let offset = Math.max(from, chunk.first); offset <= chunk.last; offset += 1)
      receive({ properties: { headers: { 'x-stream-offset': offset } } } as unknown as ConsumeMessage);
  }
}

describe('the upkeep of a partition', () => {
  let replica: Replica;
  let session: { isVerified: boolean; nextOffset: number; quietSince: number; isOver: boolean };
  let ends: SessionEnd['reason'][];
  let told: { backlog: number; completeAt: number | null }[];
  let upkeep: PartitionUpkeep;

  beforeEach(() => {
    jest.useFakeTimers({ now: NOW });
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    [replica, ends, told] = [new Replica(), [], []];
  });
  afterEach(() => {
    upkeep.stop();
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  function start(
    nextOffset: number,
    { isVerified = false, committedAt = NOW }: { isVerified?: boolean; committedAt?: Date | null } = {},
  ): void {
    const stop = ({ reason }: SessionEnd) => {
      ends.push(reason);
      session.isOver = true;
      return Promise.resolve();
    };
    session = Object.assign(
      { isVerified, nextOffset, quietSince: performance.now(), isOver: false },
      { stop },
    );
    const cursor: OwnedCursor = { partition: 0, epoch: 1, nextOffset, lastMessageHash: Buffer.alloc(32), incarnation: 1, committedAt, dataThrough: null }; // prettier-ignore
    const renew = (_: OwnedCursor, backlog: number, completeAt: number | null) => {
      told.push({ backlog, completeAt });
      return Promise.resolve(true);
    };
    upkeep = new PartitionUpkeep(
      'stream',
      session as unknown as StreamSession,
      cursor,
      { openConsumingChannel: () => Promise.resolve(replica.openChannel()) } as unknown as Broker,
      { renew, leaseMs: 10_000 } as unknown as PartitionLeases,
      { isSpare: () => false } as unknown as PartitionShares,
      { measured: () => undefined, completeThrough: () => undefined } as unknown as IngestionProgress,
    );
    upkeep.start();
  }

  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  const isComplete = () => told.at(-1)?.completeAt != null;

  it('takes no replica that catches up for another stream, however long it takes', async () => {
    replica.append(10, NOW.getTime() - 3 * MINUTE);
    start(100_000);
    for (let grown = 0; grown < 1_000; grown += 1) {
      await pass(2 * SECOND);
      replica.append(50, NOW.getTime() - MINUTE);
    }
    expect(ends).toEqual([]);
    expect(told.every(({ completeAt }) => completeAt === null)).toBe(true);
  });

  it('takes no silence for another stream', async () => {
    replica.append(10);
    replica.isSilent = true;
    start(100);
    await pass(60 * MINUTE);
    expect(ends).toEqual([]);
  });

  it('takes what ends below the cursor, and does not change for long, for another stream', async () => {
    replica.append(10, NOW.getTime() - MINUTE);
    start(100);
    await pass(RECREATION.unchangedMs - 10 * SECOND);
    expect(ends).toEqual([]);
    replica.append(1, NOW.getTime() - MINUTE);
    await pass(RECREATION.unchangedMs - 10 * SECOND);
    expect(ends).toEqual([]);
    await pass(30 * SECOND);
    expect(ends).toEqual(['recreated']);
  });

  it('knows another stream that grows below the cursor by messages from after the last commit', async () => {
    start(100_000);
    for (let second = 0; second < RECREATION.clocksApartMs / SECOND; second += 1) {
      replica.append(10);
      await pass(SECOND);
    }
    expect(ends).toEqual([]);
    for (let second = 0; second < 20; second += 1) {
      replica.append(10);
      await pass(SECOND);
    }
    expect(ends).toEqual(['recreated']);
  });

  it('goes by the time of no commit where there was none', async () => {
    start(100_000, { committedAt: null });
    for (let minute = 0; minute < 60; minute += 1) {
      replica.append(10);
      await pass(MINUTE);
    }
    expect(ends).toEqual([]);
  });

  it('tells that all is committed when the newest chunk ends at the cursor', async () => {
    replica.append(100);
    start(100, { isVerified: true });
    await pass(5 * SECOND);
    expect(isComplete()).toBe(true);
  });

  it('does not tell so of a replica that ends below the cursor, nor of one that catches up while it is asked', async () => {
    replica.append(10);
    start(100, { isVerified: true });
    await pass(5 * SECOND);
    // The measurement has seen the newest chunk end at 9 and waits for the message below the cursor.
    while (!replica.isAskedFor(99)) await pass(50);
    replica.append(90);
    await pass(2_200);
    expect(told.every(({ completeAt }) => completeAt === null)).toBe(true);
    replica.append(50);
    await pass(3 * SECOND);
    expect(told.at(-1)).toEqual({ backlog: 1, completeAt: null });
  });

  it('counts no message that comes while it is asked for and is committed by the next measurement', async () => {
    replica.append(100);
    start(100, { isVerified: true });
    for (let message = 0; message < 5; message += 1) {
      while (!replica.isAskedFor(session.nextOffset - 1)) await pass(50);
      replica.append(1);
      // Committed after the measurement that finds it, before the next one.
      await pass(100);
      session.nextOffset += 1;
    }
    expect(told.map(({ backlog }) => backlog)).toEqual(told.map(() => 0));
    expect(told.length).toBeGreaterThan(3);
  });
});
