import fc from 'fast-check';
import { changeSince, exactInteger, ratioOf, sumOfDecimals } from './decimal';

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

  it('are summed exactly, whatever their scale and sign', () => {
    const units = fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n });
    const textOf = (value: bigint) => {
      const digits = String(value < 0n ? -value : value).padStart(11, '0');
      return `${value < 0n ? '-' : ''}${digits.slice(0, -10)}.${digits.slice(-10)}`;
    };
    fc.assert(
      fc.property(units, units, (left, right) => {
        const plain = textOf(left + right).replace(/\.?0+$/, '');
        expect(sumOfDecimals(textOf(left), textOf(right))).toBe(plain === '-0' ? '0' : plain);
      }),
    );
    expect(sumOfDecimals('9007199254740993', '0.0000000001')).toBe('9007199254740993.0000000001');
    expect(() => sumOfDecimals('1e3', '1')).toThrow(RangeError);
  });
});
