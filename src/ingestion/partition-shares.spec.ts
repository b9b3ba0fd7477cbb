import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import type { PartitionLeases } from './partition-leases';
import { fairShare, PartitionShares } from './partition-shares';

describe('the fair share of a replica', () => {
  it('leaves no partition to nobody, gives none to two, and differs by at most one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 20 }), (partitions, count) => {
        const replicas = Array.from({ length: count }, (_, place) => `replica ${place}`);
        const shares = replicas.map((replica) => fairShare(partitions, replicas, replica));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(partitions);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        // The older ones keep the one more, so that a replica that comes takes as few as may be.
        expect(shares).toEqual([...shares].sort((a, b) => b - a));
      }),
    );
  });

  it('is none for a replica that is not announced', () => {
    expect(fairShare(4, ['other'], 'self')).toBe(0);
  });
});

describe('the partitions that a replica may own', () => {
  let announced: readonly string[] | Error;
  let able: boolean;
  let told: string[];
  let shares: PartitionShares;

  beforeEach(() => {
    jest.useFakeTimers();
    [announced, able, told] = [['self'], true, []];
    const leases = {
      replica: 'self',
      leaseMs: 4_000,
      announce: async () => {
        await Promise.resolve();
        told.push('announced');
        if (announced instanceof Error) throw announced;
        return announced;
      },
      dismiss: () => Promise.resolve(told.push('dismissed')),
    };
    shares = new PartitionShares(3, leases as unknown as PartitionLeases, () => able);
  });
  afterEach(async () => {
    await shares.stop();
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const taken = () => [0, 1, 2].filter((partition) => shares.take(partition));
  const announcement = () => jest.advanceTimersByTimeAsync(1_000);

  it('are none before it has announced itself', async () => {
    expect(taken()).toEqual([]);
    shares.start();
    await announcement();
    expect(taken()).toEqual([0, 1, 2]);
  });

  it('are none while it could not read them, and all once it can', async () => {
    able = false;
    shares.start();
    await announcement();
    expect(taken()).toEqual([]);
    able = true;
    await announcement();
    expect(taken()).toEqual([0, 1, 2]);
  });

  it('become fewer, the highest first, when another replica comes, and more when it goes', async () => {
    shares.start();
    await announcement();
    expect(taken()).toEqual([0, 1, 2]);
    announced = ['other', 'self'];
    await announcement();
    expect([0, 1, 2].filter((partition) => shares.isSpare(partition))).toEqual([2]);
    shares.giveUp(2);
    expect([0, 1, 2].filter((partition) => shares.isSpare(partition))).toEqual([1]);
    shares.giveUp(1);
    expect([0, 1, 2].filter((partition) => shares.isSpare(partition))).toEqual([]);
    expect(taken()).toEqual([0]);
    announced = ['self'];
    await announcement();
    expect(taken()).toEqual([0, 1, 2]);
  });

  it('are left to others without being announced, where there are any, until this one rejoins', async () => {
    shares.start();
    await announcement();
    expect(shares.isAlone).toBe(true);
    announced = ['other', 'self'];
    await announcement();
    expect([shares.isAlone, taken()]).toEqual([false, [0]]);
    told = [];
    jest.advanceTimersByTime(1_000);
    // An announcement is on its way.
    await shares.leave(0);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual(['announced', 'dismissed']);
    shares.rejoin(0);
    await announcement();
    expect(told.slice(2)).toEqual(['announced']);
  });

  it('stay what they were while the database cannot be asked', async () => {
    shares.start();
    await announcement();
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    announced = new Error('The database is away.');
    await announcement();
    await announcement();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(taken()).toEqual([0, 1, 2]);
  });

  it('are told to be free when it stops', async () => {
    shares.start();
    await announcement();
    jest.advanceTimersByTime(1_000);
    // An announcement is on its way.
    await shares.stop();
    expect(told.slice(-2)).toEqual(['announced', 'dismissed']);
    expect(jest.getTimerCount()).toBe(0);
  });
});
