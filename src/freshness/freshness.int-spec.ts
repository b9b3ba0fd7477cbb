import { randomEvents, storeEvents } from '../../test/support/counted-events';
import { describeEachEngine } from '../../test/support/engines';
import { type Reading, startReading } from '../../test/support/reading';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { PostgresEngine } from '../platform/database/postgres-engine';
import { GetFreshnessQuery } from '../shared/messages/get-freshness.query';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../shared/time-zone';

const NOW = new Date('2026-11-05T13:37:12.345Z');
const ORG = 'a0000000-0000-4000-8000-00000000000a';
const OTHER_ORG = 'b0000000-0000-4000-8000-00000000000b';
const IDLE_ORG = 'c0000000-0000-4000-8000-00000000000c';
const before = (ms: number) => new Date(NOW.getTime() - ms);
const SETTLED = { start: NOW.getTime() - 10 * DAY_MS, end: NOW.getTime() - 8 * DAY_MS };

describeEachEngine('freshness', (kind) => {
  let database: TestDatabase;
  let direct: Reading;
  let streaming: Reading;

  beforeAll(async () => {
    database = await createTestDatabase(kind);
    if (kind === 'postgres') await new PostgresEngine(database.pool, 30 * DAY_MS).prepare(NOW);
    direct = await startReading(database, NOW);
    streaming = await startReading(database, NOW, { AMQP_URL: 'amqp://nowhere', INGEST_PARTITIONS: '2' });
  });
  afterAll(async () => {
    await direct?.close();
    await streaming?.close();
    await database?.drop();
  });
  afterEach(async () => {
    await database.pool.query(
      'truncate usage_events, ingest_cursors, dirty_windows, data_gaps, ingest_batches',
    );
  });

  async function cursor(
    partition: number,
    dataThrough: Date | null,
    owner: string | null = 'replica-1',
    backlog = 0,
  ) {
    await database.pool.query(
      'insert into ingest_cursors (partition, owner, data_through, backlog) values ($1, $2, $3, $4)',
      [partition, owner, dataThrough, backlog],
    );
  }

  async function store(orgId: string, models: string[], from: Date, to: Date, count: number, seed = 1) {
    const events = randomEvents({ orgIds: [orgId], models, clients: [''], count, from: from.getTime(), to: to.getTime(), seed }); // prettier-ignore
    await storeEvents(database.pool, events);
    return events;
  }

  it('lists the last event of each model used within a day, whatever other models do', async () => {
    const events = [
      ...(await store(ORG, ['busy', 'steady'], before(20 * HOUR_MS), NOW, 3_000)),
      ...(await store(ORG, ['rare'], before(9 * HOUR_MS), before(8 * HOUR_MS), 3, 2)),
      ...(await store(ORG, ['gone'], before(40 * HOUR_MS), before(30 * HOUR_MS), 5, 3)),
    ];
    await store(OTHER_ORG, ['foreign'], before(HOUR_MS), NOW, 10, 4);
    const { status, body } = await direct.get(`/orgs/${ORG}/freshness`);
    expect(status).toBe(200);
    const lastOf = (model: string) => {
      const times = events.filter(({ modelId }) => modelId === model).map(({ occurredAt }) => occurredAt);
      return new Date(Math.max(...times)).toISOString();
    };
    expect(body.models.map(({ modelId }: { modelId: string }) => modelId)).toEqual([
      'busy',
      'rare',
      'steady',
    ]);
    for (const { modelId, lastEventAt, lastArrivalAt } of body.models) {
      expect([modelId, lastEventAt]).toEqual([modelId, lastOf(modelId)]);
      expect(Date.parse(lastArrivalAt)).toBeGreaterThan(Date.now() - 60_000);
    }
    expect(body.lastEventAt).toBe([lastOf('busy'), lastOf('steady')].sort().at(-1));
  });

  it('of an idle organisation is that of the pipeline', async () => {
    const [event] = await store(IDLE_ORG, ['old'], before(20 * DAY_MS), before(19 * DAY_MS), 1);
    const { body } = await direct.get(`/orgs/${IDLE_ORG}/freshness`);
    expect(body).toMatchObject({ status: 'fresh', lagSeconds: 0, models: [], nextCursor: null });
    expect(body.lastEventAt).toBe(new Date(event!.occurredAt).toISOString());
    await cursor(0, before(MINUTE_MS));
    await cursor(1, before(11 * MINUTE_MS));
    const behind = await streaming.get(`/orgs/${IDLE_ORG}/freshness`);
    expect(behind.body).toMatchObject({ status: 'stale', lagSeconds: 660, dataThrough: before(11 * MINUTE_MS).toISOString() }); // prettier-ignore
  });

  it('is now for a process that commits what it is sent, also beside the rows of such a process', async () => {
    await cursor(0, before(HOUR_MS), 'direct');
    const { body } = await direct.get(`/orgs/${ORG}/usage`);
    expect(body.freshness).toEqual({
      dataThrough: NOW.toISOString(),
      lagSeconds: 0,
      status: 'fresh',
      openGaps: 0,
      final: false,
    });
  });

  it('is unknown and stale until every stream has been read', async () => {
    const unknown = { dataThrough: null, status: 'stale' };
    const expectUnknown = async () => {
      expect((await streaming.get(`/orgs/${ORG}/usage`)).body.freshness).toMatchObject(unknown);
      expect((await streaming.get(`/orgs/${ORG}/freshness`)).body).toMatchObject(unknown);
    };
    await expectUnknown();
    // INGEST_PARTITIONS was raised, and nobody has taken the new partition yet.
    await cursor(0, NOW);
    await expectUnknown();
    await cursor(1, null);
    await expectUnknown();
  });

  it('is that of the slowest partition; one that was given up counts while something waits in it', async () => {
    await cursor(0, before(30_000));
    await cursor(1, before(6 * MINUTE_MS));
    await cursor(2, before(DAY_MS));
    const ask = async () => (await streaming.get(`/orgs/${ORG}/usage`)).body.freshness;
    expect(await ask()).toMatchObject({ lagSeconds: 360, status: 'delayed' });
    await database.pool.query('update ingest_cursors set backlog = 1 where partition = 2');
    expect(await ask()).toMatchObject({ lagSeconds: 86_400, status: 'stale' });
  });

  describe('is final', () => {
    const isFinal = async (window = SETTLED, orgId: string | null = ORG) =>
      (await streaming.queries.execute(new GetFreshnessQuery(orgId, window))).final;
    beforeEach(async () => {
      await cursor(0, NOW);
      await cursor(1, NOW);
    });

    it('once the window has ended before the late horizon, and a batch that was decoded by then is committed', async () => {
      const end = NOW.getTime() - 7 * DAY_MS - 5 * MINUTE_MS;
      expect(await isFinal({ start: SETTLED.start, end })).toBe(true);
      expect(await isFinal({ start: SETTLED.start, end: end + 1 })).toBe(false);
    });

    it('not while a batch may wait to be committed that was decoded when the window still took late events', async () => {
      const read = (through: number) =>
        database.pool.query('update ingest_cursors set data_through = $1 where partition = 1', [new Date(through)]); // prettier-ignore
      const decoded = SETTLED.end + 7 * DAY_MS + 5 * MINUTE_MS;
      await read(decoded - 1);
      expect(await isFinal()).toBe(false);
      await read(decoded);
      expect(await isFinal()).toBe(true);
    });

    it('not while a partition was never read', async () => {
      await database.pool.query('delete from ingest_cursors where partition = 1');
      expect(await isFinal()).toBe(false);
    });

    it('not while late events of the organisation wait for a refresh', async () => {
      const dirty = 'insert into dirty_windows (org_id, hour) values ($1, $2)';
      const hour = new Date(Math.floor(SETTLED.start / HOUR_MS) * HOUR_MS);
      await database.pool.query(dirty, [OTHER_ORG, hour]);
      expect([await isFinal(), await isFinal(SETTLED, null)]).toEqual([true, false]);
      await database.pool.query(dirty, [ORG, new Date(SETTLED.end)]);
      expect(await isFinal()).toBe(true);
      await database.pool.query(dirty, [ORG, hour]);
      expect(await isFinal()).toBe(false);
    });

    it('not while a gap that nobody has acknowledged reaches into it', async () => {
      const gap = `insert into data_gaps (partition, incarnation, kind, from_offset, data_from, data_through)
        values (0, $1, 'truncated', 0, $2, $3)`;
      await database.pool.query(gap, [1, before(30 * DAY_MS), new Date(SETTLED.start - 1)]);
      expect(await isFinal()).toBe(true);
      await database.pool.query(gap, [2, null, new Date(SETTLED.start)]);
      expect(await isFinal()).toBe(false);
      await database.pool.query('update data_gaps set acknowledged_at = now()');
      expect(await isFinal()).toBe(true);
    });

    it('not while events may have been lost that were as late as they may be', async () => {
      const gap = `insert into data_gaps (partition, incarnation, kind, from_offset, data_from, data_through)
        values (0, $1, 'truncated', 0, $2, $3)`;
      await database.pool.query(gap, [1, new Date(SETTLED.end + 7 * DAY_MS), NOW]);
      expect(await isFinal()).toBe(true);
      await database.pool.query(gap, [2, new Date(SETTLED.end + 7 * DAY_MS - 1), NOW]);
      expect(await isFinal()).toBe(false);
    });
  });

  it('says of how many lost parts of the stream nobody has taken care', async () => {
    await cursor(0, NOW);
    await cursor(1, NOW);
    const gapsOf = async (path: string) => (await streaming.get(path)).body;
    const openGaps = async () => [
      (await gapsOf(`/orgs/${ORG}/freshness`)).openGaps,
      (await gapsOf(`/orgs/${ORG}/usage`)).freshness.openGaps,
    ];
    expect(await openGaps()).toEqual([0, 0]);
    await database.pool.query(
      `insert into data_gaps (partition, incarnation, kind, from_offset, data_from, data_through)
       values (0, 1, 'truncated', 0, $1, $2)`,
      [before(HOUR_MS), NOW],
    );
    expect(await openGaps()).toEqual([1, 1]);
  });

  it('of the intake is told by partition, with the rates of five minutes', async () => {
    await cursor(0, before(2_000), 'replica-1', 12);
    await cursor(1, null, null);
    const batch = `insert into ingest_batches (partition, epoch, source, messages, received, stored, duplicates, conflicts,
      quarantined, unknown_fields, late, committed_at) values (0, 1, 'stream', 1, 100, 70, 20, 4, 6, 0, 0, $1)`;
    for (const at of [before(1_000), before(4 * MINUTE_MS), before(6 * MINUTE_MS)])
      await database.pool.query(batch, [at]);
    const { status, body } = await streaming.get('/admin/ingestion');
    expect(status).toBe(200);
    expect(body.partitions[0]).toMatchObject({
      partition: 0,
      owner: 'replica-1',
      backlog: 12,
      received: 200,
      stored: 140,
      dedupeRate: 0.2,
      rejectRate: 0.1,
      eventsPerSecond: 0.667,
      lagSeconds: 2,
      status: 'fresh',
    });
    expect(body.partitions[1]).toMatchObject({ owner: null, received: 0, dedupeRate: null, status: 'stale' });
  });

  it('is cached per organisation, and its lag is that of the answer all the same', async () => {
    const caching = await startReading(database, NOW, { FRESHNESS_CACHE_TTL: '1m', AMQP_URL: 'amqp://nowhere', INGEST_PARTITIONS: '1' }); // prettier-ignore
    await cursor(0, before(1_000));
    expect((await caching.get(`/orgs/${ORG}/freshness`)).body.lagSeconds).toBe(1);
    await store(OTHER_ORG, ['new'], before(HOUR_MS), NOW, 1);
    caching.now = new Date(NOW.getTime() + 400_000);
    expect((await caching.get(`/orgs/${ORG}/freshness`)).body).toMatchObject({
      lagSeconds: 401,
      status: 'delayed',
    });
    expect((await caching.get(`/orgs/${OTHER_ORG}/freshness`)).body.models).toHaveLength(1);
    await caching.close();
  });
});
