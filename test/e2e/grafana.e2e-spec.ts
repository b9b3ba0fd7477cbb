import { CommandBus } from '@nestjs/cqrs';
import { RefreshRollupsCommand } from '../../src/aggregation/commands/refresh-rollups.command';
import { generate } from '../../src/cli/demo/usage-source';
import { alertRules, type AskedQuery, type Choices, dashboards, dataSources, filled, grafanaFiles, INFINITY, select, storedQueries, variableQueries } from '../support/grafana-files'; // prettier-ignore
import { RunningService } from '../support/running-service';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { ORG_A, ORG_B } from '../support/usage-events';

const THREE_HOURS = 10_800;
const NARROWED = {
  org: ORG_A,
  model: 'meta/llama-3-70b,meta/llama-3-8b',
  client: 'web-app',
  timezone: 'Europe/Berlin',
  granularity: 'hour',
};
const NAMED = storedQueries.map((asked) => [asked.name, asked] as const);

describe('queries stored for Grafana', () => {
  let database: TestDatabase;
  let service: RunningService;
  let now: number;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    service = await RunningService.start({ DATABASE_URL: database.url, SERVICE_ROLES: 'api,ingest' });
    now = Date.now();
    for (const [index, orgId] of [ORG_A, ORG_B].entries()) {
      // So many that the narrowed period before has failed calls too, whatever the minute of the hour cuts off of it.
      const { events } = generate(5_000, orgId, now - 1_000, index + 3);
      for (let at = 0; at < events.length; at += 1_000) {
        const part = events.slice(at, at + 1_000);
        expect((await service.post('/analytics/v1/events', part)).status).toBe(202);
      }
    }
    await service.app.get(CommandBus).execute(new RefreshRollupsCommand());
    await database.pool.query(
      `insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_from, data_through)
       values (0, 1, 'truncated', 10, 20, now() - interval '2 days', now() - interval '1 day')`,
    );
  });

  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  });

  /** What the plugin takes for rows: an array, or one object. */
  async function rowsOf({ query, seconds, opening }: AskedQuery, chosen: Choices): Promise<unknown[]> {
    const range = { from: new Date(now - (seconds ?? THREE_HOURS) * 1_000), to: new Date(now) };
    const fill = (text: string) => filled(text, range, { ...opening, ...chosen });
    const search = new URLSearchParams();
    for (const { key, value } of query.url_options.params) search.append(key, fill(value));
    const answer = await service.get(`${fill(query.url)}?${search.toString()}`);
    expect([answer.status, answer.body['detail']]).toEqual([200, undefined]);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    const root = select(answer.body, query.root_selector);
    return Array.isArray(root) ? (root as unknown[]) : [root];
  }

  it('asks the service for something that is there when the data source is tested', async () => {
    for (const { jsonData } of dataSources)
      expect(await service.get(jsonData.customHealthCheckUrl)).toMatchObject({ status: 200 });
  });

  describe.each([
    ['as a dashboard opens', {}],
    ['for chosen models, a client, a time zone and a granularity', NARROWED],
  ])('%s', (_, chosen) => {
    it.each(NAMED)('find each column with its type: %s', async (_name, asked) => {
      const rows = await rowsOf(asked, chosen);
      expect(rows.length).toBeGreaterThan(0);
      for (const column of asked.query.columns) {
        const values = rows.map((row) => select(row, column.selector)).filter((value) => value !== null);
        const wrong = values.filter((value) => !isOfType(value, column.type));
        expect({ column, wrong, isEmpty: values.length === 0 }).toEqual({
          column,
          wrong: [],
          isEmpty: false,
        });
      }
      if (asked.query.format !== 'timeseries') return;
      const times = rows.map((row) => Date.parse(select(row, 'time') as string));
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });
  });

  it('fill the variables with the organisations, models and clients there are', async () => {
    const ofSpend = variableQueries.filter(({ name }) => name.startsWith('Usage and spend'));
    const counts = await Promise.all(ofSpend.map(async (asked) => (await rowsOf(asked, {})).length));
    expect(counts).toEqual([2, 4, 3]);
  });
});

describe('what is shipped for Grafana', () => {
  it.each(NAMED)('can be asked by the Grafana server, also for alerts: %s', (_, { query }) => {
    expect(query).toMatchObject({ type: 'json', source: 'url', parser: 'backend', url_options: { method: 'GET' } }); // prettier-ignore
    expect(query.datasource.type).toBe(INFINITY);
    expect(query.url).toMatch(/^\/analytics\/v1\//);
    const texts = query.columns.map(({ text }) => text);
    expect(new Set(texts).size).toBe(texts.length);
    if (query.format === 'table') return;
    expect(query.format).toBe('timeseries');
    const times = query.columns.filter(({ type }) => type === 'timestamp');
    expect(times).toEqual([{ selector: 'time', text: 'time', type: 'timestamp' }]);
    expect(query.columns.some(({ type }) => type === 'number')).toBe(true);
  });

  it('has unique uids and panel ids', () => {
    expect(dashboards).toHaveLength(4);
    expectUnique([...dashboards, ...alertRules].map(({ uid }) => uid));
    for (const { panels } of dashboards) expectUnique(panels.map(({ id }) => id));
  });

  it('declares every variable that is used, and takes the data source from one', () => {
    for (const { panels, templating } of dashboards) {
      const names = templating.list.map(({ name }) => name);
      expectUnique(names);
      const used = [...JSON.stringify({ panels, templating }).matchAll(/\$\{(?!__)(\w+)/g)];
      expect(names).toEqual(expect.arrayContaining(used.map(([, name]) => name)));
      for (const { datasource, targets } of panels) {
        expect(datasource).toEqual({ type: INFINITY, uid: '${datasource}' });
        for (const target of targets) expect(target.datasource).toEqual(datasource);
      }
    }
  });

  it('fills each variable from the columns __text and __value', () => {
    const variables = dashboards.flatMap(({ templating }) => templating.list);
    const asked = variables.filter(({ type }) => type === 'query');
    expect(asked.length).toBeGreaterThan(0);
    for (const { query } of asked) {
      expect(query).toMatchObject({ queryType: 'infinity', meta: { textField: '__text', valueField: '__value' } }); // prettier-ignore
      expect(query.infinityQuery.columns.map(({ text }) => text)).toEqual(['__text', '__value']);
    }
  });

  it('has the queries and expressions that alert rules refer to', () => {
    for (const { condition, data } of alertRules) {
      const refIds = data.map(({ refId }) => refId);
      const named = data.flatMap(({ model }) => model.expression?.match(/\b[A-Z]\b/g) ?? []);
      expect(refIds).toEqual(expect.arrayContaining([condition, ...named]));
    }
  });

  it.each(grafanaFiles.map(({ name, text }) => [name, text]))(
    'holds no absolute URL and no secret: %s',
    (_, text) => {
      // prettier-ignore
      expect(text).not.toMatch(/https?:\/\//i);
      expect(text).not.toMatch(/eyJ[\w-]{10}|ak_\w+_|[\w-]{40}/);
    },
  );

  it('takes address and credentials of the data source from the environment of Grafana, and asks no other host', () => {
    expect(dataSources).toHaveLength(2);
    for (const { uid, type, url, jsonData, secureJsonData } of dataSources) {
      expect([uid, type, url]).toEqual(['usage-analytics', INFINITY, '$USAGE_ANALYTICS_URL']);
      expect(jsonData.allowedHosts).toEqual([url]);
      const secrets = Object.values(secureJsonData);
      expect(secrets).toEqual([expect.stringMatching(/^\$[A-Z_]+$/)]);
    }
  });
});

function expectUnique(values: readonly unknown[]): void {
  expect(values).toEqual([...new Set(values)]);
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  if (type === 'timestamp') return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value); // prettier-ignore
  if (type === 'boolean') return typeof value === 'boolean';
  // The plugin writes whole numbers as text where a column is declared so.
  return type === 'string' && (typeof value === 'string' || Number.isInteger(value));
}
