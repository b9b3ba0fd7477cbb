import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'pg';
import { SESSION_OPTIONS } from '../../src/platform/database/pools';
import { IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, streamBatch, usageEvent } from '../support/usage-events';

const SQL = join(__dirname, '..', '..', 'sql');
const DAY_MS = 86_400_000;

/** Written by hand: select, insert, update, delete of the service. A relation that is not here fails. */
const OF_SERVICE: Readonly<Record<string, string>> = {
  api_keys: 'SIU',
  audit_head: 'SU',
  audit_log: 'SI',
  budget_alerts: 'SIU',
  data_gaps: 'SIU',
  dirty_windows: 'SIUD',
  export_jobs: 'SIU',
  export_schedule: 'SU',
  ingest_batches: 'SID',
  ingest_cursors: 'SIU',
  ingest_ledger: 'SIU',
  last_verification: 'SU',
  leases: 'SIUD',
  quarantined_events: 'SIU',
  reaggregations: 'SIU',
  replay_requests: 'SIU',
  rollup_state: 'SU',
  schema_checksums: 'S',
  schema_migrations: 'S',
  storage_engine: 'S',
  usage_event_keys: 'SI',
  usage_events: 'SI',
};
/** Views, continuous aggregates, and on plain PostgreSQL the tables that the service itself computes. */
const ROLLUP =
  /^(org_|model_|platform_)?(usage|latency)_(minute|15min|hourly|daily|events_threshold)(_materialized)?$/;

/** Statements of the owner: migrations, and what TimescaleDB lets nobody else do. */
const OF_OWNER = /^(platform\/(record-schema|create-schema)|engine\/timescale\/)/;
/** What PostgreSQL can explain; the rest makes temporary tables and copies. */
const EXPLAINABLE = /^\s*(select|insert|update|delete|with|values)\b/;
const USES_TEMPORARY_TABLE = /usage_events_probe|late_usage_events/;
const RELATIONS = ['usage_events', 'usage_15min', 'usage_hourly', 'latency_hourly'];

describeEachEngine('roles of the database', (engine) => {
  const names = { service: `service_${randomBytes(6).toString('hex')}`, reader: `reader_${randomBytes(6).toString('hex')}` }; // prettier-ignore
  const password = randomBytes(16).toString('hex');
  let database: TestDatabase;
  let service: Pool;
  let reader: Pool;

  const urlOf = (user: string): string => {
    const url = new URL(database.url);
    [url.username, url.password] = [user, password];
    return url.href;
  };
  const poolOf = (user: string): Pool => {
    const pool = new Pool({ connectionString: urlOf(user), max: 2, options: SESSION_OPTIONS });
    // Dropping the database may end a connection that is just being closed.
    pool.on('error', () => undefined);
    return pool;
  };

  beforeAll(async () => {
    database = await createTestDatabase(engine);
    for (const [role, name] of Object.entries(names))
      await database.pool.query(`create role ${name} login password '${password}' in role usage_analytics_${role}`); // prettier-ignore
    [service, reader] = [poolOf(names.service), poolOf(names.reader)];
  });
  afterAll(async () => {
    await Promise.all([service.end(), reader.end()]);
    for (const name of Object.values(names)) await database.pool.query(`drop role ${name}`);
    await database.drop();
  });

  /** SQLSTATE of what was refused, or `done`. */
  const attempt = (pool: Pool, statement: string): Promise<string> =>
    pool.query(statement).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

  /** Select, insert, update, delete of a user on each relation, as letters. */
  const rightsOf = async (user: string): Promise<{ name: string; kind: string; rights: string }[]> => {
    const { rows } = await database.pool.query<{ name: string; kind: string; rights: string }>(
      `select relname as name, relkind as kind, concat(
         case when has_table_privilege($1, oid, 'select') then 'S' end,
         case when has_table_privilege($1, oid, 'insert') then 'I' end,
         case when has_table_privilege($1, oid, 'update') then 'U' end,
         case when has_table_privilege($1, oid, 'delete') then 'D' end,
         case when has_table_privilege($1, oid, 'truncate, references, trigger') then ' and more' end) as rights
       from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not relispartition`,
      [user],
    );
    return rows;
  };

  it('give the service what is written here, relation by relation', async () => {
    const rows = await rightsOf(names.service);
    const expected = rows.map(({ name, kind }) => [name, OF_SERVICE[name] ?? (!ROLLUP.test(name) ? 'not decided' : kind === 'v' ? 'S' : 'SIUD')]); // prettier-ignore
    expect(rows.map(({ name, rights }) => [name, rights])).toEqual(expected);
    expect(rows.length).toBeGreaterThan(Object.keys(OF_SERVICE).length);
  });

  it('give the reader nothing but reading, relation by relation', async () => {
    const rows = await rightsOf(names.reader);
    const expected = rows.map(({ name }) => [name, name === 'api_keys' ? '' : 'S']);
    expect(rows.map(({ name, rights }) => [name, rights])).toEqual(expected);
  });

  it('let the service run every statement that is its own', async () => {
    const files = readdirSync(SQL, { recursive: true, encoding: 'utf8' }).filter(
      (file) =>
        file.endsWith('.sql') &&
        !OF_OWNER.test(file) &&
        (!file.startsWith('engine/') || file.startsWith(`engine/${engine}/`)),
    );
    const client = await service.connect();
    const refused: string[] = [];
    for (const [index, file] of files.entries()) {
      const text = readFileSync(join(SQL, file), 'utf8').replaceAll(/^\s*--.*$/gm, '');
      if (!EXPLAINABLE.test(text) || USES_TEMPORARY_TABLE.test(text)) continue;
      const variants = text.includes(':relation') ? RELATIONS.map((relation) => text.replaceAll(':relation', relation)) : [text]; // prettier-ignore
      const outcomes: string[] = [];
      for (const [variant, statement] of variants.entries()) {
        const name = `s${index}_${variant}`;
        try {
          await client.query(`prepare ${name} as ${statement}`);
          const { rows } = await client.query<{ n: number }>(`select cardinality(parameter_types) as n from pg_prepared_statements where name = '${name}'`); // prettier-ignore
          const values = Array.from({ length: rows[0]?.n ?? 0 }, () => 'null').join(', ');
          await client.query(`explain execute ${name}${values && `(${values})`}`);
          outcomes.push('done');
        } catch (error) {
          outcomes.push(`${file}: ${(error as Error).message}`);
        }
      }
      if (!outcomes.includes('done')) refused.push(...outcomes);
    }
    client.release();
    expect(refused).toEqual([]);
  });

  describe('with a user for the service and one for the owner', () => {
    let trial: TrialService;

    beforeAll(async () => {
      const settings = { DATABASE_URL: urlOf(names.service), DATABASE_OWNER_URL: database.url, MIGRATE_ON_START: 'false', COMPRESS_AFTER: '2d' }; // prettier-ignore
      trial = await startTrial(database, { settings });
    });
    afterAll(() => trial.close());

    const requests = async (): Promise<number> => {
      const { body } = await trial.send('GET', `/orgs/${ORG_A}/usage?start=now-30d`);
      return (body as { totals: { requests: number } }).totals.requests;
    };
    const ago = (days: number) =>
      usageEvent({ occurredAt: new Date(Date.now() - days * DAY_MS).toISOString() });

    it('the service takes in events, refreshes, expires, compresses, and answers', async () => {
      await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
      const events = [ago(0), ago(1), ago(3), ago(6)];
      const poison = { ...usageEvent(), latencyMs: -1 };
      await trial.commands.execute(new IngestUsageCommand(streamBatch([...events, events[0], poison])));
      await trial.refresh();
      await trial.expire();
      expect((await trial.send('POST', '/events', [ago(5), ago(0)])).status).toBe(202);
      await trial.refresh();
      expect(await requests()).toBe(6);
    });

    it('the service keeps keys, decisions and jobs', async () => {
      const made = await trial.send('POST', '/admin/api-keys', { name: 'k', roles: ['producer'] });
      expect(made.status).toBe(201);
      const { keyId } = made.body as { keyId: string };
      expect((await trial.send('POST', `/admin/api-keys/${keyId}/rotate`, {})).status).toBe(201);
      expect((await trial.send('DELETE', `/admin/api-keys/${keyId}`)).status).toBe(200);
      const job = { window: { start: 'now-1d', end: 'now' }, granularity: 'daily' };
      expect((await trial.send('POST', `/orgs/${ORG_A}/exports`, job)).status).toBe(202);
      const { body } = await trial.send('GET', '/admin/audit');
      expect((body as { entries: unknown[] }).entries.length).toBeGreaterThan(3);
      const quarantined = await trial.send('GET', `/orgs/${ORG_A}/quarantine`);
      expect(quarantined.status).toBe(200);
    });

    it('no partition and no chunk can be reached by its own name, also when rights are given anew', async () => {
      await database.pool.query('select grant_to_roles()');
      const { rows } = await database.pool.query<{ part: string }>(
        engine === 'timescale'
          ? `select format('%I.%I', chunk_schema, chunk_name) as part from timescaledb_information.chunks`
          : `select inhrelid::regclass::text as part from pg_inherits where inhparent::regclass::text !~ '(key|idx|pkey|_by_|identity)'`,
      );
      expect(rows.length).toBeGreaterThan(5);
      for (const { part } of rows)
        for (const pool of [service, reader])
          for (const statement of [`select 1 from ${part}`, `delete from ${part}`, `drop table ${part}`])
            expect([statement, await attempt(pool, statement)]).toEqual([statement, '42501']);
    });
  });

  it('let the service have partitions made and dropped, which belong to the owner', async () => {
    const { rows } = await service.query<{ made: number }>(
      `select ensure_partitions('usage_event_keys', 'day', '2020-01-01Z', '2020-01-02Z') as made`,
    );
    expect(rows[0]?.made).toBe(1);
    const owner = `select pg_get_userbyid(relowner) = current_user as mine from pg_class where relname = 'usage_event_keys_p20200101'`;
    expect((await database.pool.query(owner)).rows).toEqual([{ mine: true }]);
    const drop = `select drop_partitions('usage_event_keys', 'day', '2020-01-02Z') as dropped`;
    expect((await service.query(drop)).rows).toEqual([{ dropped: 1 }]);
  }); // prettier-ignore

  it.each([
    'create table mine (a int)',
    'create schema mine',
    'drop table usage_events',
    'alter table usage_events add column mine int',
    'truncate usage_events',
    'create index on audit_log (decision)',
    'drop view usage_daily',
    'alter table audit_log disable trigger append_only',
    `update usage_events set cost = 0`,
    'delete from usage_events',
    `update audit_log set decision = 'granted'`,
    'delete from audit_log',
    `update schema_checksums set sha256 = ''`,
    'delete from export_jobs',
    'create or replace function ensure_partitions(regclass, text, timestamptz, timestamptz) returns integer language sql as $$ select 1 $$',
    'select grant_to_roles()',
    'create role mine',
  ])('let the service not: %s', async (statement) => {
    expect(await attempt(service, statement)).toBe('42501');
  });

  it('let the reader read all but the hashes of keys, and change nothing', async () => {
    for (const relation of ['usage_events', 'usage_daily', 'usage_15min', 'audit_log', 'export_jobs', 'ingest_ledger'])
      expect([relation, await attempt(reader, `select * from ${relation} limit 1`)]).toEqual([relation, 'done']); // prettier-ignore
    expect(await attempt(reader, 'select key_id, last_used_at from api_keys')).toBe('done');
    for (const statement of ['select secret_sha256 from api_keys', 'select * from api_keys', 'delete from leases', `insert into dirty_windows (org_id, hour) values ('${ORG_A}', now())`, `update rollup_state set raw_from = now()`, `select ensure_partitions('usage_event_keys', 'day', now(), now())`, 'create table mine (a int)'])
      expect([statement, await attempt(reader, statement)]).toEqual([statement, '42501']);
  }); // prettier-ignore
});
