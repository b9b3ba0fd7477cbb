import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENGINES, serverOf } from '../../../test/support/engines';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import type { StorageEngineKind } from './storage-engine';

const ROOT = join(__dirname, '..', '..', '..', 'sql');
const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.sql'))
  .sort();
/** What `:relation` may stand for; a file is written for at least one of them. */
const RELATIONS = [
  'usage_events',
  'usage_15min',
  'usage_hourly',
  'usage_daily',
  'latency_hourly',
  'latency_daily',
  'org_latency_hourly',
  'org_latency_daily',
  'platform_latency_hourly',
  'platform_latency_daily',
  'usage_15min_materialized',
];
/** What PostgreSQL can prepare; the rest is DDL, CALL and COPY, which other tests run. */
const PREPARABLE = /^\s*(select|insert|update|delete|with|values)\b/;
/** Needs a table that its transaction makes first. */
const USES_TEMPORARY_TABLE = /usage_events_probe|late_usage_events/;

const enginesOf = (file: string): readonly StorageEngineKind[] =>
  ENGINES.filter((engine) => !file.startsWith('engine/') || file.startsWith(`engine/${engine}/`)).filter(
    (engine) => serverOf(engine) !== undefined,
  );

describe('every statement of sql/', () => {
  const databases = new Map<StorageEngineKind, TestDatabase>();

  beforeAll(async () => {
    for (const engine of ENGINES.filter((each) => serverOf(each) !== undefined)) {
      databases.set(engine, await createTestDatabase(engine));
    }
  });
  afterAll(() => Promise.all([...databases.values()].map((database) => database.drop())));

  it.each(FILES)('%s says what it is for and fits the schema', async (file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    expect(text).toMatch(/^-- \S/);
    const statement = text.replaceAll(/^\s*--.*$/gm, '');
    if (!PREPARABLE.test(statement) || USES_TEMPORARY_TABLE.test(statement)) return;
    for (const engine of enginesOf(file)) {
      const { pool } = databases.get(engine) as TestDatabase;
      const variants = statement.includes(':relation')
        ? RELATIONS.map((relation) => statement.replaceAll(':relation', relation))
        : [statement];
      const attempts = await Promise.allSettled(
        variants.map((variant, index) => pool.query(`prepare "${file.slice(-50)}${index}" as ${variant}`)),
      );
      const failures = attempts.filter((attempt) => attempt.status === 'rejected');
      if (failures.length === attempts.length) throw failures[0]?.reason;
    }
  });
});
