import { randomEvents } from '../../test/support/counted-events';
import { describeEachEngine } from '../../test/support/engines';
import { type Reading, type SentStatement, startReading } from '../../test/support/reading';
import { BIG_ORG, NOW, SHAPE, SMALL_ORG } from '../../test/support/recount';
import { relationBehind } from '../../test/support/relation-behind';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { sql } from '../platform/database/sql';
import { inTransaction } from '../platform/database/transaction';
import { DAY_MS, HOUR_MS } from '../shared/time-zone';

const tuneReading = sql('aggregation/tune-reading');
const MATERIALIZED = NOW.getTime() - 2 * HOUR_MS;
// Stored in the order of their time, as they arrive.
const EVENTS = [
  ...randomEvents({
    ...SHAPE,
    count: 20_000,
    from: NOW.getTime() - 20 * DAY_MS,
    to: NOW.getTime() - DAY_MS,
    seed: 1,
  }),
  ...randomEvents({ ...SHAPE, count: 40_000, from: NOW.getTime() - DAY_MS, to: NOW.getTime(), seed: 2 }),
].sort((a, b) => a.occurredAt - b.occurredAt);
const UNMATERIALIZED = EVENTS.filter(({ occurredAt }) => occurredAt >= MATERIALIZED - HOUR_MS).length;

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

describeEachEngine('plans', (kind) => {
  let database: TestDatabase;
  let reading: Reading;
  let rawRelations: Set<string>;

  beforeAll(async () => {
    database = await rolledUpDatabase(kind, EVENTS, new Date(MATERIALIZED));
    reading = await startReading(database, NOW);
    const { rows } = await database.pool.query<{ name: string }>(
      kind === 'timescale'
        ? `select chunk_name as name from timescaledb_information.chunks where hypertable_name = 'usage_events'`
        : `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'usage_events'::regclass`,
    );
    rawRelations = new Set(rows.map(({ name }) => name));
    expect(rawRelations.size).toBeGreaterThan(10);
  });
  afterAll(async () => {
    await reading?.close();
    await database?.drop();
  });

  /** The scans of single events, or of other relations, in the plan of a statement with the settings of the service. */
  async function rawNodes(
    { isTuned, text, values }: SentStatement,
    relations: ReadonlySet<string> = rawRelations,
    circumstances = '',
  ): Promise<PlanNode[]> {
    const { rows } = await inTransaction(database.pool, async (client) => {
      await client.query(circumstances);
      if (isTuned) await client.query(tuneReading.text);
      return client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
        text: `explain (analyze, timing off, format json) ${text}`,
        values: [...values],
      });
    });
    const [answer] = rows;
    if (!answer) throw new Error('No plan.');
    return nodesOf(answer['QUERY PLAN'][0].Plan).filter((node) => relations.has(node['Relation Name'] ?? ''));
  }

  /** What an answer is made of: not what the guard and its audit log ask beside. */
  const isOfAnswer = ({ name }: SentStatement): boolean => /^(aggregation|freshness)\//.test(name);

  /** How many single events the statements of an answer read, whether they used them or not. */
  async function eventsRead(path: string): Promise<number> {
    const statements = await reading.statementsOf(async () => {
      const { status, body } = await reading.get(path);
      expect([status, body.detail]).toEqual([200, undefined]);
    });
    expect(statements.filter(isOfAnswer).length).toBeGreaterThan(1);
    const nodes = (
      await Promise.all(statements.filter(isOfAnswer).map((statement) => rawNodes(statement)))
    ).flat();
    const read = (node: PlanNode) =>
      (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    return nodes.reduce((sum, node) => sum + read(node), 0);
  }

  it.each([
    `/orgs/${BIG_ORG}/usage?start=now-7d&granularity=hour`,
    `/orgs/${BIG_ORG}/usage?start=now-20d&granularity=day&groupBy=model,client`,
    `/orgs/${BIG_ORG}/usage?start=now-20d&granularity=day&timezone=Asia/Kolkata`,
    `/orgs/${BIG_ORG}/usage?start=now-20d&granularity=month&timezone=Europe/Berlin&limit=2&groupBy=model`,
    `/orgs/${BIG_ORG}/usage?start=now-7d&granularity=15min`,
    `/orgs/${SMALL_ORG}/reliability?start=now-7d&granularity=hour`,
    `/orgs/${BIG_ORG}/reliability?start=now-20d&granularity=day&groupBy=model`,
    `/orgs/${BIG_ORG}/reliability?start=now-20d&granularity=week&compare=previous`,
    `/orgs/${BIG_ORG}/summary?start=now-7d`,
    `/orgs/${BIG_ORG}/models`,
    `/orgs/${BIG_ORG}/clients`,
    '/orgs',
    '/usage?start=now-7d&granularity=hour&groupBy=org',
    '/usage?start=now-7d&granularity=hour&groupBy=org&limit=2',
    '/reliability?start=now-7d&granularity=hour',
    '/usage?start=now-20d&granularity=month&groupBy=model&limit=2',
    '/reliability?start=now-20d&granularity=day&groupBy=org&timezone=Europe/Berlin',
  ])('of %s read no event that a rollup holds', async (path) => {
    // A statement of counts, one of groups and one of latencies may each read what is not materialised yet.
    expect(await eventsRead(path)).toBeLessThanOrEqual(kind === 'postgres' ? 0 : 3 * UNMATERIALIZED);
  });

  it('of the list of organisations read whole days without models and clients', async () => {
    const statements = await reading.statementsOf(() => reading.get('/orgs'));
    const list = statements.find(({ name }) => name.startsWith('aggregation/orgs'));
    if (!list) throw new Error('No statement lists organisations.');
    const scansOf = async (rollup: string): Promise<number> => {
      const { rows } = await database.pool.query<{ name: string }>(
        `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
         where inhparent = $1::regclass`,
        [await relationBehind(database, rollup)],
      );
      return (await rawNodes(list, new Set(rows.map(({ name }) => name)))).length;
    };
    expect(await scansOf('usage_daily')).toBe(0);
    expect(await scansOf('org_usage_daily')).toBeGreaterThan(0);
  });

  it('of the leading organisations never read a whole index by organisation for what is not materialised', async () => {
    if (kind === 'postgres') return;
    // As with millions of events in a day: a third of them, which PostgreSQL expects, is dear to read by time.
    await database.pool.query('vacuum usage_events');
    const circumstances = 'set local enable_bitmapscan = off; set local enable_seqscan = off';
    const path = '/usage?start=now-7d&granularity=hour&groupBy=org&limit=2';
    const statements = await reading.statementsOf(() => reading.get(path));
    const leading = statements.find(({ name }) => name.startsWith('aggregation/platform-top-groups'));
    if (!leading) throw new Error('No statement asks for the leading organisations.');
    const nodes = await rawNodes(leading, rawRelations, circumstances);
    expect(nodes.length).toBeGreaterThan(0);
    expect(nodes.map((node) => node['Node Type'])).not.toContain('Index Only Scan');
  });

  it('of questions for single events find them by index', async () => {
    const statements = await reading.statementsOf(() => reading.get(`/orgs/${SMALL_ORG}/usage?start=now-1h&granularity=minute`)); // prettier-ignore
    const nodes = (
      await Promise.all(statements.filter(isOfAnswer).map((statement) => rawNodes(statement)))
    ).flat();
    expect(nodes.length).toBeGreaterThan(0);
    expect(nodes.map((node) => node['Node Type']).filter((type) => type === 'Seq Scan')).toEqual([]);
  });

  it('of the freshness of an organisation read some quarters of an hour of events', async () => {
    const quarter = EVENTS.filter(({ occurredAt }) => occurredAt >= NOW.getTime() - HOUR_MS).length;
    const allowed = (kind === 'postgres' ? 0 : UNMATERIALIZED) + quarter;
    expect(await eventsRead(`/orgs/${BIG_ORG}/freshness`)).toBeLessThanOrEqual(allowed);
  });
});
