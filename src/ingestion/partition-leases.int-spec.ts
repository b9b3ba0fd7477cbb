import { TcpProxy } from '../../test/support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { IngestPool } from '../platform/database/pools';
import { type OwnedCursor, PartitionLeases } from './partition-leases';

const LEASE_MS = 60_000;

describe('the ownership of a partition', () => {
  let database: TestDatabase;
  let pool: IngestPool;
  let first: PartitionLeases;
  let second: PartitionLeases;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    pool = new IngestPool(database.url);
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });
  beforeEach(async () => {
    await database.pool.query('truncate ingest_cursors, data_gaps, leases');
    [first, second] = [replica('2026-01-01 first'), replica('2026-01-02 second')];
  });

  function replica(name: string): PartitionLeases {
    return new PartitionLeases(pool, name, LEASE_MS);
  }

  /** As if so much time had passed in which nobody was heard of: the same however slow the machine is. */
  async function silence(ms: number): Promise<void> {
    for (const [table, column] of [
      ['ingest_cursors', 'lease_renewed_at'],
      ['leases', 'expires_at'],
    ])
      await database.pool.query(`update ${table} set ${column} = ${column} - $1 * interval '1 ms'`, [ms]);
  }

  async function owned(cursor: Promise<OwnedCursor | undefined>): Promise<OwnedCursor> {
    const acquired = await cursor;
    if (!acquired) throw new Error('The partition is not to be had.');
    return acquired;
  }

  async function rowOf(columns: string): Promise<unknown> {
    return (await database.pool.query(`select ${columns} from ingest_cursors`)).rows[0];
  }

  it('begins with an empty cursor', async () => {
    expect(await first.acquire(3)).toEqual({
      partition: 3,
      epoch: 1,
      nextOffset: 0,
      lastMessageHash: null,
      incarnation: 1,
      committedAt: null,
      dataThrough: null,
    });
  });

  it('is one replica’s at a time, whoever asks at the same time', async () => {
    const replicas = Array.from({ length: 8 }, (_, place) => replica(`replica ${place}`));
    const acquired = await Promise.all(replicas.map((each) => each.acquire(0)));
    expect(acquired.filter((cursor) => cursor !== undefined)).toHaveLength(1);
  });

  it('stays with the one that renews it', async () => {
    const cursor = await owned(first.acquire(0));
    for (let renewal = 0; renewal < 4; renewal += 1) {
      await silence(LEASE_MS / 2);
      expect(await first.renew(cursor, 0, null)).toBe(true);
      expect(await second.acquire(0)).toBeUndefined();
    }
  });

  it('passes on when its owner has been silent for a lease, in a new epoch with the cursor as it stands', async () => {
    const former = await owned(first.acquire(0));
    await database.pool.query(
      `update ingest_cursors set next_offset = 70, last_message_hash = '\\x07', incarnation = 2,
       committed_at = '2026-11-23T10:00:05Z', data_through = '2026-11-23T10:00:00Z'`,
    );
    await silence(LEASE_MS + 1);
    expect(await second.acquire(0)).toEqual({
      partition: 0,
      epoch: former.epoch + 1,
      nextOffset: 70,
      lastMessageHash: Buffer.from([7]),
      incarnation: 2,
      committedAt: new Date('2026-11-23T10:00:05Z'),
      dataThrough: new Date('2026-11-23T10:00:00Z'),
    });
  });

  it('is nothing that a former owner can use any more', async () => {
    const former = await owned(first.acquire(0));
    await silence(LEASE_MS + 1);
    const { epoch } = await owned(second.acquire(0));
    expect(await first.renew(former, 5, performance.now())).toBe(false);
    expect(await first.recordTruncation(former, 90)).toBe(false);
    expect(await first.recordRecreation(former)).toBe(false);
    await first.release(former);
    expect(await rowOf('epoch::integer, owner, next_offset, incarnation')).toEqual({
      epoch,
      owner: second.replica,
      next_offset: '0',
      incarnation: 1,
    });
    expect((await database.pool.query('select from data_gaps')).rowCount).toBe(0);
  });

  it('is its owner’s again at once, in an epoch that fences what that one did before', async () => {
    const before = await owned(first.acquire(0));
    const after = await owned(first.acquire(0));
    expect(after.epoch).toBe(before.epoch + 1);
    expect(await first.renew(before, 0, null)).toBe(false);
    expect(await first.renew(after, 0, null)).toBe(true);
  });

  it('passes on at once when it is given up', async () => {
    await first.release(await owned(first.acquire(0)));
    expect(await second.acquire(0)).toMatchObject({ epoch: 2 });
  });

  it('is not kept from a reader by batches that came over HTTP', async () => {
    await database.pool.query(
      `insert into ingest_cursors (partition, epoch, owner, lease_renewed_at) values (0, 1, 'direct', now())`,
    );
    expect(await first.acquire(0)).toMatchObject({ epoch: 2, nextOffset: 0 });
  });

  it('gives offsets beyond 32 bits as numbers, which RabbitMQ insists on', async () => {
    await first.acquire(0);
    await database.pool.query('update ingest_cursors set next_offset = 9007199254740991');
    expect((await owned(first.acquire(0))).nextOffset).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('tells how far behind it is, and never takes back up to when all is complete', async () => {
    const before = (await database.now()).getTime();
    const cursor = await owned(first.acquire(0));
    await first.renew(cursor, 12, performance.now() - 5_000);
    const after = (await database.now()).getTime();
    const row = () => rowOf('backlog::integer, data_through');
    const { backlog, data_through: reached } = (await row()) as { backlog: number; data_through: Date };
    expect(backlog).toBe(12);
    expect(reached.getTime()).toBeGreaterThanOrEqual(before - 5_000);
    expect(reached.getTime()).toBeLessThanOrEqual(after - 5_000);
    await first.renew(cursor, 13, null);
    await first.renew(cursor, 13, performance.now() - 60_000);
    expect(await row()).toEqual({ backlog: 13, data_through: reached });
  });

  it('tells no more than was true when it was sent, however late that reaches the database', async () => {
    const proxy = await TcpProxy.before(database.url);
    const farAway = new IngestPool(proxy.through(database.url));
    try {
      const leases = new PartitionLeases(farAway, '2026-01-03 third', LEASE_MS);
      const before = await database.now();
      const cursor = await owned(leases.acquire(0));
      proxy.delay(700);
      const completeAt = performance.now();
      const sentAt = await database.now();
      await leases.renew(cursor, 0, completeAt);
      const { reached } = (await rowOf('data_through as reached')) as { reached: Date };
      expect(reached.getTime()).toBeGreaterThanOrEqual(before.getTime());
      expect(reached.getTime()).toBeLessThanOrEqual(sentAt.getTime());
    } finally {
      await farAway.end();
      await proxy.close();
    }
  });

  describe('with a gap', () => {
    let cursor: OwnedCursor;

    beforeEach(async () => {
      await first.acquire(0);
      await database.pool.query(`update ingest_cursors set next_offset = 70, last_message_hash = '\\x07'`);
      cursor = await owned(first.acquire(0));
    });

    async function gaps(): Promise<unknown[]> {
      const { rows } = await database.pool.query<object>(
        'select kind, incarnation, from_offset::integer, to_offset::integer from data_gaps order by detected_at',
      );
      return rows;
    }

    it('notes which offsets are gone and goes on behind them, of the same stream', async () => {
      expect(await first.recordTruncation(cursor, 500)).toBe(true);
      expect(await gaps()).toEqual([{ kind: 'truncated', incarnation: 1, from_offset: 70, to_offset: 500 }]);
      expect(await first.acquire(0)).toMatchObject({
        nextOffset: 500,
        lastMessageHash: null,
        incarnation: 1,
      });
    });

    it('notes that the stream is another one and goes on at its beginning', async () => {
      expect(await first.recordRecreation(cursor)).toBe(true);
      expect(await gaps()).toEqual([{ kind: 'recreated', incarnation: 1, from_offset: 70, to_offset: null }]);
      expect(await first.acquire(0)).toMatchObject({ nextOffset: 0, lastMessageHash: null, incarnation: 2 });
    });

    it('notes the same gap once, and each gap of each stream', async () => {
      await first.recordTruncation(cursor, 500);
      await first.recordTruncation(cursor, 500);
      const after = await owned(first.acquire(0));
      await first.recordRecreation(after);
      await first.recordRecreation(after);
      const again = await owned(first.acquire(0));
      await first.recordTruncation(again, 500);
      expect(await gaps()).toEqual([
        { kind: 'truncated', incarnation: 1, from_offset: 70, to_offset: 500 },
        { kind: 'recreated', incarnation: 1, from_offset: 500, to_offset: null },
        { kind: 'truncated', incarnation: 2, from_offset: 0, to_offset: 500 },
      ]);
    });
  });

  describe('among replicas', () => {
    it('is announced by each, the oldest first', async () => {
      expect(await second.announce()).toEqual([second.replica]);
      expect(await first.announce()).toEqual([first.replica, second.replica]);
      expect(await second.announce()).toEqual([first.replica, second.replica]);
    });

    it('counts no replica that was dismissed, or silent for a lease', async () => {
      await first.announce();
      await second.announce();
      await first.dismiss();
      expect(await second.announce()).toEqual([second.replica]);
      await silence(LEASE_MS + 1);
      expect(await first.announce()).toEqual([first.replica]);
    });

    it('forgets replicas that have been gone for a day', async () => {
      await first.announce();
      await database.pool.query(`update leases set expires_at = now() - interval '25 hours'`);
      await second.announce();
      expect((await database.pool.query('select name from leases')).rows).toHaveLength(1);
    });
  });
});
