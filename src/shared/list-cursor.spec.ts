import { AppError } from './errors';
import { pageOf, positionOf } from './list-cursor';

const ID = '0a1b2c3d-0000-4000-8000-00000000000f';
const rows = [3, 2, 1].map((micros) => ({ micros: String(micros), id: ID, name: `row ${micros}` }));
const encoded = (text: string): string => Buffer.from(text).toString('base64url');

describe('the cursor of a list', () => {
  it('is null where no row was left, and that of the last row shown where one was', () => {
    expect(pageOf(rows, 3)).toEqual({ rows, nextCursor: null });
    expect(pageOf(rows, 4)).toEqual({ rows, nextCursor: null });
    expect(pageOf([], 2)).toEqual({ rows: [], nextCursor: null });
    expect(pageOf(rows, 2)).toEqual({ rows: rows.slice(0, 2), nextCursor: encoded(`2.${ID}`) });
    expect(pageOf(rows, 0)).toEqual({ rows: [], nextCursor: null });
  });

  it('leads back to the row that it was made of, and none to the beginning', () => {
    const { nextCursor } = pageOf(rows, 1);
    expect(positionOf(nextCursor ?? undefined)).toEqual({ micros: '3', id: ID });
    expect(positionOf(undefined)).toBeNull();
    expect(positionOf(encoded(`12345678901234567.${ID}`))).toEqual({ micros: '12345678901234567', id: ID });
  });

  it.each([
    '',
    'x',
    encoded('1'),
    encoded(`.${ID}`),
    encoded(`1.`),
    encoded(`x.${ID}`),
    encoded(`1x.${ID}`),
    encoded(`-1.${ID}`),
    encoded(`1${ID}`),
    encoded(`1x${ID}`),
    encoded(` 1.${ID}`),
    encoded(`1.${ID} `),
    encoded(`1.${ID}\n`),
    encoded(`1.${ID}0`),
    encoded(`123456789012345678.${ID}`),
    encoded(`1.${ID.toUpperCase()}`),
    encoded(`1.${ID.replace('-', '')}`),
    encoded(`1.${ID.slice(1)}`),
    encoded(`1.${ID.replace('f', 'g')}`),
    encoded(`1.0a1b2c3d-0000-4000-00000000000f`),
    encoded(`1.0a1b2c3d-000-4000-8000-00000000000f`),
    encoded(`1 or 1=1.${ID}`),
  ])('is refused by its name when it was made up: %j', (cursor) => {
    const refused = (): unknown => positionOf(cursor);
    expect(refused).toThrow(AppError);
    expect(refused).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        violations: [{ parameter: 'cursor', detail: 'must be the nextCursor of the page before.' }],
      }),
    );
  });
});
