import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TcpProxy } from '../../../test/support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { IngestPool } from './pools';
import {
  isConnectionError,
  isDataError,
  isMissingPartition,
  isTransient,
  isUniqueViolation,
} from './postgres-errors';
import { inTransaction } from './transaction';

/** As a process, because only there a failure that nobody has heard of for a moment is the end. */
const FAILING = `
  require('reflect-metadata');
  const { IngestPool } = require('./src/platform/database/pools');
  const { inTransaction } = require('./src/platform/database/transaction');
  const pool = new IngestPool(process.argv[1]);
  const work = async (client, unanswered) => {
    for (const id of [1, 1]) unanswered.push(client.query('insert into notes values ($1)', [id]));
    await new Promise((resolve) => setTimeout(resolve, 100));
  };
  inTransaction(pool, work).catch((error) => console.log(error.code)).finally(() => pool.end());`;

describe('a transaction', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let pool: IngestPool;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    await database.pool.query('create table notes (id integer primary key)');
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await database.pool.query('truncate notes');
    proxy = await TcpProxy.before(database.url);
    pool = new IngestPool(proxy.through(database.url));
  });
  afterEach(async () => {
    await proxy.close();
    await pool.end();
  });

  const notes = async (): Promise<number[]> =>
    (await database.pool.query<{ id: number }>('select id from notes order by id')).rows.map(({ id }) => id);
  const failureOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('stores all or nothing, and its connection is used again', async () => {
    await inTransaction(pool, (client) => client.query('insert into notes values (1)'));
    const failed = inTransaction(pool, async (client) => {
      await client.query('insert into notes values (2)');
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    expect(await notes()).toEqual([1]);
    expect(pool.totalCount).toBe(1);
  });

  it('does not pass for committed when a failed statement was ignored', async () => {
    const ignored = inTransaction(pool, async (client) => {
      await client.query('insert into notes values (1)');
      await client.query('insert into notes values (1)').catch(() => undefined);
    });
    await expect(ignored).rejects.toThrow('was rolled back');
    expect(await notes()).toEqual([]);
  });

  it('commits nothing when a statement fails whose answer was not waited for, and tells that failure', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (client, unanswered) => {
        await client.query('insert into notes values (1)');
        for (const id of [2, 1, 3]) unanswered.push(client.query('insert into notes values ($1)', [id]));
      }),
    );
    expect(isUniqueViolation(failure)).toBe(true);
    expect(await notes()).toEqual([]);
    await inTransaction(pool, (client, unanswered) => {
      for (const id of [4, 5]) unanswered.push(client.query('insert into notes values ($1)', [id]));
      return Promise.resolve();
    });
    expect([await notes(), pool.totalCount]).toEqual([[4, 5], 1]);
  });

  it('tells the failure that came first, and not that of the statement which was waited for', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (client, unanswered) => {
        for (const id of [1, 1]) unanswered.push(client.query('insert into notes values ($1)', [id]));
        await client.query('select 1');
      }),
    );
    expect(isUniqueViolation(failure)).toBe(true);
  });

  it('does not end the process when a statement fails while something else is waited for', () => {
    const root = join(__dirname, '..', '..', '..');
    const run = ['--require', './test/support/typescript.cjs', '--eval', FAILING, database.url];
    const { status, stdout } = spawnSync(process.execPath, run, { cwd: root, encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '23505\n']);
  });

  it('rolls back what was sent when it is given up before all is answered', async () => {
    const failed = inTransaction(pool, (client, unanswered) => {
      for (const id of [1, 2]) unanswered.push(client.query('insert into notes values ($1)', [id]));
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    expect([await notes(), pool.totalCount]).toEqual([[], 1]);
  });

  it('loses nothing and no process when the connection breaks in its midst', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (client) => {
        await client.query('insert into notes values (1)');
        proxy.resetConnections();
        await sleep(50);
        await client.query('insert into notes values (2)');
      }),
    );
    expect([isTransient(failure), isConnectionError(failure)]).toEqual([true, true]);
    expect(pool.totalCount).toBe(0);
    await inTransaction(pool, (client) => client.query('insert into notes values (3)'));
    expect(await notes()).toEqual([3]);
  });

  it('says that the outcome is unknown when the answer to COMMIT is lost', async () => {
    const failure = await failureOf(
      inTransaction(pool, async (client) => {
        await client.query('insert into notes values (1)');
        proxy.swallowReplies();
        setTimeout(() => proxy.resetConnections(), 200);
      }),
    );
    expect(isConnectionError(failure)).toBe(true);
    expect(await notes()).toEqual([1]);
  });

  it('fails in a way that is retried when the server is away, ends the session or falls silent at connecting', async () => {
    await proxy.cut();
    expect(isTransient(await failureOf(pool.query('select 1')))).toBe(true);
    await proxy.heal();
    const ended = failureOf(pool.query('select pg_terminate_backend(pg_backend_pid())'));
    expect(isTransient(await ended)).toBe(true);
    proxy.blackHole();
    const silent = new IngestPool(proxy.through(database.url));
    expect(isTransient(await failureOf(silent.query('select 1')))).toBe(true);
    await silent.end();
  }, 20_000);

  it('fails on bad data and on missing partitions in ways that are told apart', async () => {
    const duplicate = await failureOf(pool.query('insert into notes values (1), (1)'));
    expect([isUniqueViolation(duplicate), isDataError(duplicate), isTransient(duplicate)]).toEqual([
      true,
      true,
      false,
    ]);
    const nul = await failureOf(pool.query(`select $1::text`, ['a\0b']));
    expect([isDataError(nul), isTransient(nul)]).toEqual([true, false]);
    const homeless = await failureOf(
      pool.query(`insert into usage_event_keys values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '1999-01-01')`), // prettier-ignore
    );
    expect([isMissingPartition(homeless), isDataError(homeless)]).toEqual([true, false]);
  });
});
