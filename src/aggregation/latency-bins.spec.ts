import fc from 'fast-check';
import { latencyBin } from '../shared/latency-sketch';
import { unpackBins } from './latency-bins';

describe('packed latency bins', () => {
  it('add up to the counts they were packed from, ascending', () => {
    const counts = fc.record({
      bin: fc.integer({ min: 0, max: latencyBin(86_400_000) }),
      requests: fc.integer({ min: 1, max: 2 ** 40 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(counts)), (lists) => {
        const sums = new Map<number, bigint>();
        for (const { bin, requests } of lists.flat()) sums.set(bin, (sums.get(bin) ?? 0n) + BigInt(requests));
        const packed = lists.map((list) => list.map(({ bin, requests }) => requests * 512 + bin));
        const expected = [...sums].sort(([a], [b]) => a - b).map(([bin, requests]) => ({ bin, requests }));
        expect(unpackBins(packed)).toEqual(expected);
      }),
    );
  });
});
