import type { TestDatabase } from '../../test/support/test-database';
import { READER_KEY, type Reading, startReading } from '../../test/support/reading';
import { BIG_ORG, EVENTS, NOW, QUIET_ORG, SMALL_ORG } from '../../test/support/recount';
import { storeEvents } from '../../test/support/counted-events';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import { HOUR_MS } from '../shared/time-zone';

const DAY = EVENTS.filter(({ occurredAt }) => occurredAt > NOW.getTime() - 30 * HOUR_MS);

describe('answers over HTTP', () => {
  let database: TestDatabase;
  let reading: Reading;

  beforeAll(async () => {
    database = await rolledUpDatabase('postgres', DAY, new Date(NOW.getTime() - 2 * HOUR_MS));
    reading = await startReading(database, NOW);
  });
  afterAll(async () => {
    await reading?.close();
    await database?.drop();
  });

  it('are a table of fixed columns with exact money and without formulas where CSV is preferred', async () => {
    const path = `/orgs/${BIG_ORG}/usage?start=now-1d&granularity=day&groupBy=model`;
    const { body } = await reading.get(path);
    const csv = await reading.get(path, { 'x-api-key': READER_KEY, accept: 'text/csv, */*;q=0.1' });
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    const [head, ...lines] = csv.text.trimEnd().split('\r\n');
    expect(head).toBe(
      'time,end,modelId,requests,inputTokens,cachedInputTokens,outputTokens,totalTokens,cost',
    );
    const costs = body.series.map(({ costExact }: { costExact: string }) => costExact);
    expect(lines.map((line) => line.split(',').at(-1))).toEqual(costs);
    expect(csv.text).toContain("'=cmd|calc");
    expect(csv.text).toContain('"ümlaut,comma"');
    expect(csv.headers).toMatchObject({ 'x-data-status': 'fresh', 'x-data-final': 'false' });
    const quiet = await reading.get(`/orgs/${QUIET_ORG}/reliability?granularity=day`, { 'x-api-key': READER_KEY, accept: 'text/csv' }); // prettier-ignore
    expect(quiet.text).toBe('time,end,requests,successes,errors,timeouts,throttled,errorRate,latencyMeanMs,latencyMaxMs,p50Ms,p95Ms,p99Ms\r\n'); // prettier-ignore
  });

  it('are 304 while the data is the same, and 200 again once it has grown', async () => {
    const path = `/orgs/${SMALL_ORG}/usage?start=now-1h&granularity=hour`;
    const first = await reading.get(path);
    const etag = String(first.headers['etag']);
    expect(etag).toMatch(/^W\/"/);
    const again = await reading.get(path, { 'x-api-key': READER_KEY, 'if-none-match': `"x", ${etag}` });
    expect([again.status, again.text]).toEqual([304, '']);
    const asTable = await reading.get(path, { 'x-api-key': READER_KEY, 'if-none-match': etag, accept: 'text/csv' }); // prettier-ignore
    expect(asTable.status).toBe(200);
    const [event] = DAY.filter(({ orgId }) => orgId === SMALL_ORG);
    await storeEvents(database.pool, [{ ...event!, eventId: 'e0000000-0000-4000-8000-000000000001', occurredAt: NOW.getTime() }]); // prettier-ignore
    const grown = await reading.get(path, { 'x-api-key': READER_KEY, 'if-none-match': etag });
    expect(grown.status).toBe(200);
    expect(grown.body.totals.requests).toBe(first.body.totals.requests + 1);
  });

  it('are compressed when they are long', async () => {
    const { headers } = await reading.get(`/orgs/${BIG_ORG}/usage?granularity=hour`, { 'x-api-key': READER_KEY, 'accept-encoding': 'gzip' }); // prettier-ignore
    expect(headers['content-encoding']).toBe('gzip');
    expect(String(headers['vary']).toLowerCase()).toContain('accept-encoding');
    expect(String(headers['vary']).toLowerCase()).toContain('authorization');
  });

  it.each([
    ['timezone=Mars/Olympus', 400, 'timezone'],
    ['start=now&end=now-1h', 400, 'end'],
    ['start=now-1h&end=now-1h', 400, 'end'],
    ['start=yesterday', 400, 'start'],
    ['granularity=second', 400, 'granularity'],
    ['groupBy=colour', 400, 'groupBy'],
    ['limit=0', 400, 'limit'],
    ['limit=ten', 400, 'limit'],
    ['orderBy=beauty', 400, 'orderBy'],
    ['fill=one', 400, 'fill'],
    ['compare=next', 400, 'compare'],
    ['colour=red', 400, 'colour'],
    ['start=now-1d&start=now-2d', 400, 'start'],
    ['granularity=hour&start=now-390d', 422, 'end'],
    ['granularity=minute&start=now-3d', 422, 'end'],
    ['granularity=day&start=now-500d&end=now-450d', 422, 'start'],
    ['granularity=15min&start=now-95d&end=now-94d', 422, 'granularity'],
    ['granularity=day&groupBy=status&start=now-20d', 422, 'groupBy'],
    ['granularity=day&timezone=Asia/Kolkata&start=now-200d', 422, 'granularity'],
    ['granularity=day&start=now-390d&compare=previous', 422, 'compare'],
  ])('of usage refuse %s with %i and name %s and what to ask instead', async (search, status, parameter) => {
    const answer = await reading.get(`/orgs/${BIG_ORG}/usage?${search}`);
    expect([answer.status, answer.body]).toEqual([
      status,
      expect.objectContaining({ errors: expect.anything() }),
    ]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body.errors[0].parameter).toBe(parameter);
    expect(answer.body.detail.length).toBeGreaterThan(20);
  });

  it.each([
    ['percentile=101', 400, 'percentile'],
    ['percentile=0', 400, 'percentile'],
    ['percentile=p95', 400, 'percentile'],
    ['granularity=day&groupBy=client&start=now-20d', 422, 'groupBy'],
    ['granularity=hour&timezone=Asia/Kolkata&start=now-20d', 422, 'granularity'],
  ])('of reliability refuse %s with %i and name %s', async (search, status, parameter) => {
    const answer = await reading.get(`/orgs/${BIG_ORG}/reliability?${search}`);
    expect([answer.status, answer.body.errors[0].parameter]).toEqual([status, parameter]);
    if (status === 422) expect(answer.body.detail).toContain('percentile: none');
  });

  it('take empty parameters and * as not given, and lists in either form', async () => {
    const plain = await reading.get(`/orgs/${BIG_ORG}/usage?groupBy=model,client`);
    const empty = await reading.get(
      `/orgs/${BIG_ORG}/usage?groupBy=model&groupBy=client&modelId=&clientId=*&limit=&fill=&start=&end=&timezone=&granularity=&orderBy=&compare=&maxPoints=`,
    );
    expect(empty.status).toBe(200);
    expect(empty.body.series).toEqual(plain.body.series);
  });

  it('refuse to have more rows than MAX_POINTS and say how to have fewer', async () => {
    const small = await startReading(database, NOW, { MAX_POINTS: '30' });
    const usage = (search: string) => small.get(`/orgs/${BIG_ORG}/usage?granularity=hour&${search}`);
    const grouped = await usage('start=now-20h&groupBy=model');
    expect([grouped.status, grouped.body.detail]).toEqual([422, expect.stringContaining('MAX_POINTS')]);
    expect((await usage('start=now-28h&fill=zero&groupBy=client&modelId=Zebra')).status).toBe(422);
    const points = await usage('start=now-40h');
    expect([points.status, points.body.errors[0].parameter]).toEqual([422, 'granularity']);
    expect(points.body.detail).toContain('day');
    expect((await usage('start=now-40h&granularity=auto')).status).toBe(400);
    await small.close();
  });

  it('name the limit when the database needs too long', async () => {
    const hasty = await startReading(database, NOW, { DATABASE_STATEMENT_TIMEOUT: '200ms' });
    const client = await database.pool.connect();
    await client.query('begin');
    await client.query('lock table usage_events, usage_15min in access exclusive mode');
    const answer = await hasty.get(`/orgs/${BIG_ORG}/usage?granularity=15min`);
    await client.query('rollback');
    client.release();
    expect([answer.status, answer.body.detail]).toEqual([422, expect.stringContaining('DATABASE_STATEMENT_TIMEOUT')]); // prettier-ignore
    await hasty.close();
  });
});
