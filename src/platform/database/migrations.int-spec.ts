import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describeEachEngine, serverOf } from '../../../test/support/engines';
import { SchemaRefusedError } from './engine-choice';
import { migrationFiles } from './migration-files';
import { inspectSchema, migrate } from './migrations';
import type { StorageEngineKind } from './storage-engine';

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

describeEachEngine('migrations', (engine) => {
  const server = serverOf(engine) as string;
  const other: StorageEngineKind = engine === 'postgres' ? 'timescale' : 'postgres';
  let url: string;
  let name: string;

  beforeEach(async () => {
    name = `migrations_${randomBytes(6).toString('hex')}`;
    await query(server, `create database ${name}`);
    const parsed = new URL(server);
    parsed.pathname = `/${name}`;
    url = parsed.href;
  });
  afterEach(() => query(server, `drop database ${name} with (force)`));

  it('makes the schema once when replicas start together, each waiting for the other', async () => {
    const engines = await Promise.all([1, 2, 3].map(() => migrate({ databaseUrl: url, engine })));
    expect(engines).toEqual([engine, engine, engine]);
    const recorded = await query<{ file: string; sha256: string }>(
      url,
      'select file, sha256 from schema_checksums order by file',
    );
    expect(recorded).toEqual(migrationFiles(engine).map(({ file, sha256 }) => ({ file, sha256 })));
    expect(await inspectSchema({ databaseUrl: url, engine })).toEqual({ engine, pending: [] });
  });

  it('keeps the engine of the schema when asked to choose, and refuses the other engine', async () => {
    await migrate({ databaseUrl: url, engine });
    await expect(migrate({ databaseUrl: url, engine: 'auto' })).resolves.toBe(engine);
    const refused = migrate({ databaseUrl: url, engine: other });
    await expect(refused).rejects.toThrow(SchemaRefusedError);
    await expect(refused).rejects.toThrow(`schema of the engine ${engine}`);
  });

  it('refuses a released file whose text has changed since it was applied', async () => {
    await migrate({ databaseUrl: url, engine });
    await query(url, `update schema_checksums set sha256 = 'another' where file = '0002_ingestion.sql'`);
    await expect(migrate({ databaseUrl: url, engine })).rejects.toThrow(
      'migrations/0002_ingestion.sql changed after being applied',
    );
  });

  it('says what is pending without changing anything', async () => {
    expect(await inspectSchema({ databaseUrl: url, engine })).toEqual({ engine: null, pending: [] });
    expect(await query(url, `select relname from pg_class where relname = 'storage_engine'`)).toEqual([]);
  });
});

describeEachEngine('a server that is asked to choose the engine', (engine) => {
  it('gets TimescaleDB exactly where it can be created', async () => {
    const server = serverOf(engine) as string;
    const name = `migrations_${randomBytes(6).toString('hex')}`;
    const url = new URL(server);
    url.pathname = `/${name}`;
    await query(server, `create database ${name}`);
    try {
      const chosen = await migrate({ databaseUrl: url.href, engine: 'auto' });
      const extensions = await query(
        url.href,
        `select extname from pg_extension where extname = 'timescaledb'`,
      );
      expect(extensions).toHaveLength(chosen === 'timescale' ? 1 : 0);
      if (engine === 'timescale') expect(chosen).toBe('timescale');
    } finally {
      await query(server, `drop database ${name} with (force)`);
    }
  });
});
