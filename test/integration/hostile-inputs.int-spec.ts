import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { HOSTILE_EVENTS, HOSTILE_INPUTS, type HostileInput } from '../support/hostile-inputs';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, usageEvent } from '../support/usage-events';

/** What an answer never says: of the code, the statements, the files, other callers' secrets. */
const INSIDES =
  /node_modules|\.ts:\d|\.js:\d|select |insert into|pg_|relation "|syntax error|at [A-Z]\w+\.|root:x:|sha256/;

describe('hostile inputs', () => {
  let database: TestDatabase;
  let service: TrialService;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    service = await startTrial(database, { settings: { RATE_LIMIT_PER_MINUTE: '0' } });
  });
  afterAll(async () => {
    await service.close();
    await database.drop();
  });

  const send = async ({ method, path, headers = {}, body }: HostileInput) =>
    service.app.inject({
      method,
      url: `/analytics/v1${path}`,
      headers: { 'x-api-key': keyOf('reader'), ...headers },
      ...(body !== undefined && { payload: body }),
    });

  /** Rows by table, of all that a request could write; decisions on it are in the audit log as they should. */
  async function rows(): Promise<Record<string, number>> {
    const { rows: tables } = await database.pool.query<{ name: string }>(
      `select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
       and relname not like 'audit%' order by 1`,
    );
    const counts: Record<string, number> = {};
    for (const { name } of tables) {
      const { rows: counted } = await database.pool.query(`select count(*)::int as n from "${name}"`);
      counts[name] = counted[0].n as number;
    }
    return counts;
  }

  it('are many', () => {
    expect(HOSTILE_INPUTS.length + HOSTILE_EVENTS.length).toBeGreaterThan(600);
    expect(new Set(HOSTILE_INPUTS.map(({ name }) => name)).size).toBe(HOSTILE_INPUTS.length);
  });

  it('are each answered by a clear 4xx that tells nothing of the inside, and leave nothing behind', async () => {
    const before = await rows();
    const wrong: string[] = [];
    for (const input of HOSTILE_INPUTS) {
      const { statusCode, headers, payload } = await send(input);
      const said = JSON.parse(payload || '{}') as { detail?: string };
      // Events are answered one by one; what is none is rejected there.
      if (input.path === '/events' && isRejected(statusCode, payload)) continue;
      const isClear =
        statusCode >= 400 &&
        statusCode < 500 &&
        headers['content-type'] === 'application/problem+json' &&
        (said.detail ?? '').length > 10;
      if (
        !isClear ||
        INSIDES.test(payload) ||
        headers['set-cookie'] !== undefined ||
        headers['server'] !== undefined
      )
        wrong.push(`${input.name}: ${statusCode} ${payload.slice(0, 200)}`);
    }
    expect(wrong).toEqual([]);
    expect(await rows()).toEqual(before);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('in events are rejected one by one, stored nowhere, and touch no event beside them', async () => {
    const wrong: string[] = [];
    for (const [name, text] of HOSTILE_EVENTS) {
      const good = usageEvent();
      const input = { name, method: 'POST', path: '/events', headers: { 'content-type': 'application/json' }, body: `[${text},${JSON.stringify(good)}]` } as const; // prettier-ignore
      const { statusCode, payload } = await send(input);
      const { results = [] } = JSON.parse(payload) as { results?: { status: string; detail?: string }[] };
      const [bad, beside] = results;
      if (
        statusCode !== 202 ||
        bad?.status !== 'rejected' ||
        beside?.status !== 'accepted' ||
        INSIDES.test(payload)
      )
        wrong.push(`${name}: ${statusCode} ${payload.slice(0, 300)}`);
    }
    expect(wrong).toEqual([]);
    const { rows: stored } = await database.pool.query('select count(*)::int as n from usage_events');
    expect(stored[0].n).toBe(HOSTILE_EVENTS.length);
  });

  it('that only look so are kept as they are, and asked for as they are', async () => {
    const models = ["'; drop table usage_events; --", '../../etc/passwd', '=1+1', '__proto__', 'a,b', '{{7*7}}', '日本語 🚀', '%00', '\u202Etxt'];
    const events = models.map((modelId) => usageEvent({ modelId, clientId: modelId }));
    expect((await service.send('POST', '/events', events)).status).toBe(202);
    for (const modelId of models.filter((each) => !each.includes(','))) {
      const { body, status } = await service.send('GET', `/orgs/${ORG_A}/usage?groupBy=model&modelId=${encodeURIComponent(modelId)}`);
      expect([status, body.series.map((row: { modelId: string; requests: number }) => [row.modelId, row.requests])]).toEqual([200, [[modelId, 1]]]);
    }
    const csv = await service.app.inject({
      url: `/analytics/v1/orgs/${ORG_A}/usage?groupBy=model`,
      headers: { 'x-api-key': keyOf('reader'), accept: 'text/csv' },
    });
    expect(csv.payload).toContain("'=1+1");
    expect(csv.payload).not.toMatch(/(^|,)"?[=+@]/m);
  }); // prettier-ignore

  it('leave the process as it was: it answers as before', async () => {
    expect((await service.send('GET', `/orgs/${ORG_A}/usage`)).status).toBe(200);
  });
});

function isRejected(status: number, payload: string): boolean {
  const { results = [] } = JSON.parse(payload) as { results?: { status: string }[] };
  return status === 202 && results.length > 0 && results.every((result) => result.status === 'rejected');
}
