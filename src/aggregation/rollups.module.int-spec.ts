import { Global, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { ScheduleModule } from '@nestjs/schedule';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeEachEngine } from '../../test/support/engines';
import { TcpProxy } from '../../test/support/tcp-proxy';
import { eventually } from '../../test/support/eventually';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { Config, loadConfig } from '../platform/config/config';
import { DatabaseModule } from '../platform/database/database.module';
import { DatabaseSchema } from '../platform/database/database-schema';
import { ApiPool, IngestPool } from '../platform/database/pools';
import { ReadinessChecks } from '../platform/health/readiness-checks';
import { StorageEngine } from '../platform/database/storage-engine';
import { Clock, SystemClock } from '../shared/clock';
import { RollupsModule } from './rollups.module';

describeEachEngine('a process that keeps rollups', (kind) => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let app: INestApplicationContext | undefined;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    proxy = await TcpProxy.before(database.url);
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
    await proxy.close();
    await database.drop();
  });

  async function start(env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> {
    const config = loadConfig({
      NODE_ENV: 'test',
      DATABASE_URL: proxy.through(database.url),
      ROLLUP_REFRESH_INTERVAL: '100ms',
      ...env,
    });
    @Global()
    @Module({
      providers: [
        { provide: Config, useValue: config },
        { provide: Clock, useClass: SystemClock },
        ReadinessChecks,
      ],
      exports: [Config, Clock, ReadinessChecks],
    })
    class SurroundingsModule {}
    @Module({
      imports: [
        SurroundingsModule,
        CqrsModule.forRoot(),
        ScheduleModule.forRoot(),
        DatabaseModule,
        RollupsModule,
      ],
    })
    class WorkerModule {}
    app = await NestFactory.createApplicationContext(WorkerModule, { logger: false, abortOnError: false });
    return app;
  }

  async function materializedThrough(): Promise<Date | null> {
    const { rows } = await database.pool.query<{ through: Date | null }>(
      `select nullif(materialized_through, '-infinity') as through from rollup_state`,
    );
    return rows[0]?.through ?? null;
  }

  it('materialises them by itself, with partitions for the days to come', async () => {
    const running = await start();
    await running.get(DatabaseSchema).ready();
    expect(running.get(StorageEngine).kind).toBe(kind);
    await eventually(async () => expect(await materializedThrough()).not.toBeNull());
    const [, tell] = running.get(ReadinessChecks).all()[0] ?? [];
    await eventually(async () => expect(await tell?.()).toMatch(/^materialised through 20.*Z, \d+ s ago$/));
    const { rows } = await database.pool.query(`select from pg_class where relname ~ '^usage_event_keys_p'`);
    expect(rows.length).toBeGreaterThan(7);
  });

  it('leaves them to others without the role worker', async () => {
    const running = await start({ SERVICE_ROLES: 'api,ingest' });
    await running.get(DatabaseSchema).ready();
    await sleep(500);
    expect(await materializedThrough()).toBeNull();
  });

  it('starts while the database is away, says so, and goes on when it comes', async () => {
    await proxy.cut();
    const running = await start();
    const schema = running.get(DatabaseSchema);
    expect(schema.status.state).toBe('waiting');
    await proxy.heal();
    await schema.ready();
    await eventually(async () => expect(await materializedThrough()).not.toBeNull());
    expect(schema.status).toEqual({ state: 'ready', engine: kind });
  });

  it('outlives lost connections', async () => {
    const running = await start();
    await eventually(async () => expect(await materializedThrough()).not.toBeNull());
    const pool = running.get(ApiPool);
    await pool.query('select 1');
    proxy.resetConnections();
    await database.pool.query(
      `update rollup_state set materialized_through = '-infinity', watermark = '-infinity'`,
    );
    // A lease whose grant was lost with its connection expires after 30 s.
    await eventually(async () => expect(await materializedThrough()).not.toBeNull(), 45_000);
    await eventually(async () => expect((await pool.query('select 1')).rowCount).toBe(1));
  });

  it('is stopped by a schema of the other engine, with a sentence', async () => {
    const other = kind === 'postgres' ? 'timescale' : 'postgres';
    await expect(start({ STORAGE_ENGINE: other })).rejects.toThrow(`holds the schema of the engine ${kind}`);
  });

  it('waits for the migration job where it is not to migrate', async () => {
    await database.pool.query(`delete from schema_checksums where file like '0005%'`);
    const running = await start({ MIGRATE_ON_START: 'false' });
    const schema = running.get(DatabaseSchema);
    expect(schema.status).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('0005_rollups'),
    });
  });

  it('cuts off a question that takes too long, in UTC sessions', async () => {
    const running = await start({ DATABASE_STATEMENT_TIMEOUT: '200ms' });
    await expect(running.get(ApiPool).query('select pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
    for (const token of [ApiPool, IngestPool]) {
      const { rows } = await running
        .get(token)
        .query<{ zone: string }>(`select current_setting('TimeZone') as zone`);
      expect(rows).toEqual([{ zone: 'UTC' }]);
    }
  });
});
