import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { copyRows } from './copy-rows';
import { IngestPool } from './pools';
import { inTransaction } from './transaction';

const rowsOf = (ids: readonly (number | string)[]): Buffer =>
  Buffer.from(ids.map((id) => `${id}\n`).join(''));
const copyInto = (relation: string) => ({ name: relation, text: `copy ${relation} (id) from stdin` });

describe('copying rows', () => {
  let database: TestDatabase;
  let pool: IngestPool;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    await database.pool.query('create table notes (id integer primary key)');
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    await database.pool.query('truncate notes');
    pool = new IngestPool(database.url);
  });
  afterEach(() => pool.end());

  const stored = async (): Promise<string> =>
    (await database.pool.query<{ ids: string }>('select count(*) || $1 || sum(id) as ids from notes', [' ']))
      .rows[0]?.ids ?? '';

  it('stores them, more than a socket takes at a time, between other statements', async () => {
    const many = Array.from({ length: 300_000 }, (_, index) => index + 1);
    await inTransaction(pool, async (client, unanswered) => {
      unanswered.push(client.query('insert into notes values (0)'));
      unanswered.push(copyRows(client, copyInto('notes'), rowsOf(many)));
      unanswered.push(client.query('insert into notes values (-1)'));
      unanswered.push(copyRows(client, copyInto('notes'), rowsOf([300_001, 300_002])));
      await Promise.resolve();
    });
    expect(await stored()).toBe('300004 45000750002');
  });

  it.each([
    ['a relation that is not there', 'nothing', [1], 'relation "nothing" does not exist'],
    ['a row that is none', 'notes', [1, 'one'], 'invalid input syntax'],
    ['a row that is there', 'notes', [1, 1], 'duplicate key'],
  ])('tells why the server refuses %s, and leaves a connection of use', async (_, relation, ids, reason) => {
    const copied = inTransaction(pool, (client, unanswered) => {
      unanswered.push(copyRows(client, copyInto(relation), rowsOf(ids)));
      unanswered.push(copyRows(client, copyInto('notes'), rowsOf([7])));
      return Promise.resolve();
    });
    await expect(copied).rejects.toThrow(reason);
    await inTransaction(pool, (client) => copyRows(client, copyInto('notes'), rowsOf([5])));
    expect([await stored(), pool.totalCount]).toEqual(['1 5', 1]);
  });
});
