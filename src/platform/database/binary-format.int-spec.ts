import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { uuidArray, uuidRows } from './binary-format';
import { copyRows } from './copy-rows';

const uuids = (count: number): string[] => [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '01234567-89ab-cdef-0123-456789abcdef',
  ...Array.from({ length: count }, () => randomUUID()),
];

describe('the binary format', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
  });
  afterAll(() => database.drop());

  it.each([[[]], [uuids(0)], [uuids(5_000)]])('hands over an array of UUIDs as it is', async (ids) => {
    const { rows } = await database.pool.query<{ ids: string[] }>('select $1::uuid[]::text[] as ids', [
      uuidArray(ids),
    ]);
    expect(rows[0]?.ids).toEqual(ids);
  });

  it.each([new Date(0), new Date('2026-11-27T00:00:00.001Z'), new Date('1969-07-20T20:17:40Z')])(
    'copies rows of UUIDs, with and without dashes, at %s',
    async (instant) => {
      const [first, second] = [uuids(1_000), uuids(1_000)];
      const stored = await database.pool.connect();
      try {
        await stored.query('create temporary table pairs (first uuid, second uuid, at timestamptz)');
        const data = uuidRows([first, second.map((uuid) => uuid.replaceAll('-', ''))], instant);
        const text = 'copy pairs (first, second, at) from stdin with (format binary)';
        await copyRows(stored, { name: 'copy-pairs', text }, data);
        const { rows } = await stored.query<{ first: string; second: string; at: Date }>(
          'select * from pairs',
        );
        expect(rows).toEqual(first.map((uuid, row) => ({ first: uuid, second: second[row], at: instant })));
      } finally {
        stored.release(true);
      }
    },
  );
});
