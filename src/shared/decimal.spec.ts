import fc from 'fast-check';
import { changeSince, exactInteger, ratioOf } from './decimal';

describe('decimals', () => {
  it('keep every digit of a whole number, as a JSON number while that is exact', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (value) => {
        expect(String(exactInteger(value.toString()))).toBe(value.toString());
      }),
    );
    expect(exactInteger('9007199254740991')).toBe(9_007_199_254_740_991);
    expect(exactInteger('9007199254740993')).toBe('9007199254740993');
  });

  it('have no ratio to nothing', () => {
    expect(ratioOf('3', '0')).toBeNull();
    expect(ratioOf('1', '3')).toBe(0.333333);
    expect(changeSince('0.00', '5')).toBeNull();
    expect(changeSince('200', '250')).toBe(0.25);
    expect(changeSince('0.4', '0.1')).toBe(-0.75);
  });
});
