import { setTimeout as sleep } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { Leases } from './lease';
import { WorkerPool } from './pools';

describe('a lease', () => {
  let database: TestDatabase;
  let pools: WorkerPool[];
  let leases: Leases[];

  beforeEach(async () => {
    database = await createTestDatabase('postgres');
    pools = [new WorkerPool(database.url), new WorkerPool(database.url)];
    leases = pools.map((pool) => new Leases(pool));
  });
  afterEach(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await database.drop();
  });

  const run = <Result>(
    process: 0 | 1,
    work: () => Promise<Result>,
    waitMs = 0,
  ): Promise<Result | undefined> => (leases[process] as Leases).run('work', work, { waitMs });

  it('is held by one at a time, in one process and among several', async () => {
    let holders = 0;
    let most = 0;
    let runs = 0;
    const work = async (): Promise<void> => {
      runs += 1;
      most = Math.max(most, ++holders);
      await sleep(20);
      holders -= 1;
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => run(index % 2 === 0 ? 0 : 1, work)));
    expect(most).toBe(1);
    expect(runs).toBeGreaterThan(0);
  });

  it('passes on at once when the work is done or has failed', async () => {
    await expect(run(0, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await run(1, () => Promise.resolve('done'))).toBe('done');
    expect(await run(0, () => Promise.resolve('again'))).toBe('again');
  });

  it('is waited for as long as asked', async () => {
    let end: () => void = () => undefined;
    let first: Promise<unknown> = Promise.resolve();
    await new Promise<void>((begun) => {
      first = run(0, () => (begun(), new Promise<void>((ended) => (end = ended))));
    });
    expect(await run(1, () => Promise.resolve('too early'))).toBeUndefined();
    const waited = run(1, () => Promise.resolve('waited'), 60_000);
    await sleep(50);
    end();
    expect(await waited).toBe('waited');
    await first;
  });

  it('passes on when its holder has been silent for its time, and the holder finds out before it goes on', async () => {
    const epochs = async (): Promise<string | undefined> =>
      (await database.pool.query<{ epoch: string }>('select epoch from leases')).rows[0]?.epoch;
    await (leases[0] as Leases).run('work', async (lease) => {
      const before = await epochs();
      await database.pool.query(`update leases set expires_at = now() - interval '1 second'`);
      expect(await run(1, () => epochs())).toBe(String(Number(before) + 1));
      lease.assertHeld();
      const now = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 30_000);
      expect(() => lease.assertHeld()).toThrow('The lease work was lost');
      now.mockRestore();
    });
  });
});
