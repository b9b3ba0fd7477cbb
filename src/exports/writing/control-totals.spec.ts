import fc from 'fast-check';
import { differences, RunningTotals } from './control-totals';

describe('control totals', () => {
  it('add costs up to the last digit, beyond what a double holds', () => {
    const units = fc.bigInt({ min: 0n, max: 10n ** 24n });
    fc.assert(
      fc.property(fc.array(units, { maxLength: 50 }), (costs) => {
        const totals = new RunningTotals();
        for (const cost of costs) totals.addCost(decimal(cost));
        expect(totals.totals().cost).toBe(decimal(costs.reduce((sum, cost) => sum + cost, 0n)));
      }),
    );
  });

  it.each(['1e3', '', '.5', 'NaN', '0.12345678901', '1,5'])(
    'refuse %j rather than to round or to guess',
    (cost) => {
      expect(() => new RunningTotals().addCost(cost)).toThrow(RangeError);
    },
  );

  it('name what differs', () => {
    const [left, right] = [new RunningTotals(), new RunningTotals()];
    left.addCost('0.1');
    right.requests += 1n;
    expect(differences(left.totals(), right.totals())).toEqual(['requests', 'cost']);
    expect(differences(left.totals(), left.totals())).toEqual([]);
  });
});

function decimal(units: bigint): string {
  const digits = units.toString().padStart(11, '0');
  return `${digits.slice(0, -10)}.${digits.slice(-10)}`.replace(/\.?0+$/, '');
}
