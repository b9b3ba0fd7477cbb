import fc from 'fast-check';
import { canonicalCost } from './cost';

describe('canonical cost', () => {
  it.each([
    ['0.10', '0.1'],
    ['007', '7'],
    ['0', '0'],
    ['0.0000000001', '0.0000000001'],
    ['1000000000', '1000000000'],
    ['1000000000.0', '1000000000'],
    [0.1, '0.1'],
    [1e-7, '0.0000001'],
    [1e9, '1000000000'],
    [null, '0'],
    [undefined, '0'],
  ])('writes %p as %p', (cost, canonical) => {
    expect(canonicalCost(cost)).toBe(canonical);
  });

  it.each<[string | number, string]>([
    ['1000000000.0000000001', 'above 1e9'],
    ['9999999999', 'above 1e9'],
    [1e-11, 'more than 10 fractional digits'],
    [0.12345678901, 'more than 10 fractional digits'],
    [123456.0000000001, 'a number of more than 15 significant digits'],
  ])('refuses %p: %s', (cost) => {
    expect(canonicalCost(cost)).toBeNull();
  });

  it('never changes the amount of a decimal string', () => {
    const decimal = fc.tuple(fc.bigInt({ min: 0n, max: 999_999_999n }), fc.stringMatching(/^[0-9]{0,10}$/));
    fc.assert(
      fc.property(decimal, ([whole, fraction]) => {
        const canonical = canonicalCost(fraction === '' ? `${whole}` : `${whole}.${fraction}`) ?? '';
        const [canonicalWhole, canonicalFraction = ''] = canonical.split('.');
        expect(canonicalWhole).toBe(`${whole}`);
        expect(canonicalFraction.padEnd(10, '0')).toBe(fraction.padEnd(10, '0'));
      }),
    );
  });
});
