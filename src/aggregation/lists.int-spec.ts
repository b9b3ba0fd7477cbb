import { describeEachEngine } from '../../test/support/engines';
import { READER_KEY, type Reading, startReading } from '../../test/support/reading';
import { BIG_ORG, EVENTS, eventsWithin, NOW, percentileOf, QUIET_ORG, SHAPE, SMALL_ORG, usageOf } from '../../test/support/recount'; // prettier-ignore
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { HOUR_MS } from '../shared/time-zone';

interface Item {
  readonly modelId: string;
  readonly clientId: string | null;
  readonly orgId: string;
  readonly errorCode: string | null;
  readonly status: string;
  readonly requests: number;
  readonly costExact: string;
  readonly share: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
}

describeEachEngine('lists and summaries', (kind) => {
  let database: TestDatabase;
  let reading: Reading;

  beforeAll(async () => {
    database = await rolledUpDatabase(kind, EVENTS, new Date(NOW.getTime() - 2 * HOUR_MS));
    reading = await startReading(database, NOW);
  });
  afterAll(async () => {
    await reading?.close();
    await database?.drop();
  });

  async function get(path: string) {
    const answer = await reading.get(path);
    expect([answer.status, answer.body.detail]).toEqual([200, undefined]);
    return answer.body;
  }

  it('name every model with what was used of it', async () => {
    const body = await get(`/orgs/${BIG_ORG}/models`);
    const events = eventsWithin(BIG_ORG, body.window);
    expect(body.items.map(({ modelId }: Item) => modelId)).toEqual([...SHAPE.models].sort());
    for (const { modelId, requests, costExact } of body.items as Item[]) {
      const counted = usageOf(events.filter((event) => event.modelId === modelId));
      expect({ requests, costExact }).toEqual({ requests: counted.requests, costExact: counted.costExact });
    }
    expect(body).toMatchObject({ nextCursor: null, freshness: { status: 'fresh' } });
  });

  it('name the clients that named themselves, also only those of some models', async () => {
    const body = await get(`/orgs/${BIG_ORG}/clients`);
    expect(body.items.map(({ clientId }: Item) => clientId)).toEqual(['Batch', 'checkout', 'search']);
    const ofModel = await get(`/orgs/${BIG_ORG}/clients?modelId=Zebra&start=now-2d`);
    const events = eventsWithin(BIG_ORG, ofModel.window).filter(({ modelId }) => modelId === 'Zebra');
    const clients = new Set(events.map(({ clientId }) => clientId).filter((clientId) => clientId !== ''));
    expect(ofModel.items.map(({ clientId }: Item) => clientId)).toEqual([...clients].sort());
  });

  it('name the organisations to the platform only', async () => {
    const body = await get('/orgs');
    expect(body.items.map(({ orgId }: Item) => orgId)).toEqual([BIG_ORG, SMALL_ORG]);
  });

  it.each([
    [`/orgs/${BIG_ORG}/models`, 'modelId', SHAPE.models.length],
    [`/orgs/${BIG_ORG}/clients`, 'clientId', 3],
    ['/orgs', 'orgId', 2],
  ] as const)('come in pages that make the whole: %s', async (path, key, count) => {
    const seen: unknown[] = [];
    let cursor: string | null = '';
    do {
      const search: string = cursor === '' ? 'limit=1' : `limit=1&cursor=${cursor}`;
      const body = await get(`${path}?${search}`);
      seen.push(...body.items.map((item: Item) => item[key]));
      cursor = body.nextCursor;
      reading.now = new Date(reading.now.getTime() + 9 * HOUR_MS);
    } while (cursor !== null);
    reading.now = NOW;
    expect(seen).toEqual((await get(path)).items.map((item: Item) => item[key]));
    expect(seen).toHaveLength(count);
  });

  it('refuse the cursor of another question, or one that was made up', async () => {
    const { nextCursor } = await get(`/orgs/${BIG_ORG}/models?limit=1`);
    const madeUp = Buffer.from(JSON.stringify(['x', 0, 1, 'y'])).toString('base64url');
    for (const path of [
      `/orgs/${SMALL_ORG}/models?cursor=${nextCursor}`,
      `/orgs/${BIG_ORG}/models?cursor=${nextCursor}&clientId=search`,
      `/orgs/${BIG_ORG}/models?cursor=${nextCursor}&start=now-3d`,
      `/orgs/${BIG_ORG}/clients?cursor=${nextCursor}`,
      `/orgs?cursor=${nextCursor}`,
      `/orgs/${BIG_ORG}/models?cursor=${madeUp}`,
      `/orgs/${BIG_ORG}/models?cursor=%00`,
    ]) {
      const { status, body } = await reading.get(path);
      expect([path, status, body.errors[0].parameter]).toEqual([path, 400, 'cursor']);
    }
  });

  it('count failures by code, with their first and last moment and the total of those left out', async () => {
    const body = await get(`/orgs/${BIG_ORG}/errors?start=now-6d&groupBy=model,client&limit=5`);
    const failures = eventsWithin(BIG_ORG, body.window).filter(({ status }) => status !== 'success');
    expect(body.totals.requests).toBe(failures.length);
    expect(body.items).toHaveLength(5);
    for (const item of body.items as Item[]) {
      const same = failures.filter(
        (event) =>
          event.status === item.status &&
          event.errorCode === item.errorCode &&
          event.modelId === item.modelId &&
          (event.clientId || null) === item.clientId,
      );
      const times = same.map(({ occurredAt }) => occurredAt);
      expect(item).toMatchObject({
        requests: same.length,
        share: expect.closeTo(same.length / failures.length, 5),
        firstSeenAt: new Date(Math.min(...times)).toISOString(),
        lastSeenAt: new Date(Math.max(...times)).toISOString(),
      });
    }
    const counts = body.items.map(({ requests }: Item) => requests);
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    const quiet = await get(`/orgs/${QUIET_ORG}/errors`);
    expect(quiet).toMatchObject({ items: [], totals: { requests: 0 } });
  });

  it.each([
    ['start=now-40d&end=now-39d', 'start'],
    ['start=now-8d', 'end'],
  ])('refuse failures that single events no longer tell: %s', async (search, parameter) => {
    const { status, body } = await reading.get(`/orgs/${BIG_ORG}/errors?${search}`);
    expect([status, body.errors[0].parameter]).toEqual([422, parameter]);
  });

  it('sum a window up in one row, with the change against the one before', async () => {
    const body = await get(`/orgs/${BIG_ORG}/summary?start=now-3d`);
    const [row] = body.series;
    const [now, before] = [body.window, body.previousWindow].map((window) => eventsWithin(BIG_ORG, window)) as [never, never]; // prettier-ignore
    expect(body.series).toHaveLength(1);
    expect(row).toMatchObject({ ...usageOf(now), p95Ms: percentileOf(now, 95), time: body.window.start });
    expect(row).toMatchObject({
      requestsPrevious: usageOf(before).requests,
      p95MsPrevious: percentileOf(before, 95),
    });
    expect(row.requestsChange).toBeCloseTo(usageOf(now).requests / usageOf(before).requests - 1, 5);
    expect(row.costChange).toBeCloseTo(usageOf(now).cost / usageOf(before).cost - 1, 5);
  });

  it('sum up without a comparison where the period before is no longer kept, and where nothing happened', async () => {
    const long = await get(`/orgs/${BIG_ORG}/summary?start=now-390d&percentile=none`);
    expect(long.previousWindow).toBeUndefined();
    expect(long.series[0]).toMatchObject({ requestsPrevious: null, requestsChange: null });
    const quiet = await get(`/orgs/${QUIET_ORG}/summary`);
    expect(quiet.series[0]).toMatchObject({
      requests: 0,
      cost: 0,
      errorRate: null,
      p95Ms: null,
      requestsChange: null,
    });
  });

  it('are tables too', async () => {
    const headers = { 'x-api-key': READER_KEY, accept: 'text/csv' };
    const table = async (path: string) => (await reading.get(path, headers)).text.split('\r\n'); // prettier-ignore
    expect((await table(`/orgs/${BIG_ORG}/models`))[0]).toBe('modelId,requests,cost,firstUsedOn,lastUsedOn');
    expect(await table(`/orgs/${BIG_ORG}/models`)).toHaveLength(SHAPE.models.length + 2);
    expect((await table(`/orgs/${QUIET_ORG}/errors?groupBy=model`))[0]).toBe('errorCode,status,modelId,requests,share,firstSeenAt,lastSeenAt'); // prettier-ignore
    expect((await table(`/orgs/${BIG_ORG}/summary?percentile=95`))[0]).toContain(
      'p95Ms,requestsPrevious,requestsChange',
    );
  });
});
