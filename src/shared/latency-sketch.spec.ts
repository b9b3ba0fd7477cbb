import fc from 'fast-check';
import { type BinCount, latencyBin, latencyOfBin, percentileFromBins } from './latency-sketch';

const latencies = fc.array(fc.integer({ min: 0, max: 86_400_000 }), { minLength: 1, maxLength: 300 });

/**
 * Every twentieth quantile of the tokens generated per call in the Azure LLM inference traces of 2023 (Azure Public
 * Dataset, CC-BY 4.0); a call takes about as long as its tokens.
 */
const GENERATED_TOKENS = {
  conversation: [
    7, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129, 151, 177, 217, 384, 395, 400, 411, 424, 451, 1_000,
  ],
  code: [6, 6, 7, 7, 8, 9, 9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 29, 39, 55, 90, 1_899],
};
const MS_PER_TOKEN = 22;

function sketchOf(values: readonly number[]): BinCount[] {
  const counts = new Map<number, bigint>();
  for (const value of values) counts.set(latencyBin(value), (counts.get(latencyBin(value)) ?? 0n) + 1n);
  return [...counts].map(([bin, requests]) => ({ bin, requests })).sort((a, b) => a.bin - b.bin);
}

function exactPercentile(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percentile) / 100) - 1] ?? NaN;
}

describe('latency sketch', () => {
  it('stands within 2.5 % of every latency it holds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000 }), (ms) => {
        expect(Math.abs(latencyOfBin(latencyBin(ms)) - ms)).toBeLessThanOrEqual(ms * 0.025);
      }),
      { numRuns: 5_000 },
    );
  });

  it('never puts a larger latency into a smaller bin', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_399_999 }), (ms) => {
        expect(latencyBin(ms + 1)).toBeGreaterThanOrEqual(latencyBin(ms));
      }),
      { numRuns: 5_000 },
    );
  });

  it('fits the largest admissible latency into a smallint', () => {
    expect(latencyBin(86_400_000)).toBe(376);
  });

  it('answers percentiles within 2.5 % of the exact ones', () => {
    fc.assert(
      fc.property(latencies, fc.constantFrom(1, 25, 50, 90, 95, 99, 99.9, 100), (values, percentile) => {
        const exact = exactPercentile(values, percentile);
        const answered = percentileFromBins(sketchOf(values), percentile) ?? NaN;
        expect(Math.abs(answered - exact)).toBeLessThanOrEqual(exact * 0.025);
      }),
    );
  });

  it.each(Object.entries(GENERATED_TOKENS))(
    'answers percentiles within 2.5 % of the exact ones on latencies distributed as in the %s trace',
    (_, quantiles) => {
      const latency = fc
        .tuple(fc.nat({ max: quantiles.length - 2 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(300))
        .map(([step, share, wait]) => {
          const [low = 0, high = 0] = quantiles.slice(step, step + 2);
          return Math.round(wait + MS_PER_TOKEN * (low + share * (high - low)));
        });
      const percentile = fc.constantFrom(50, 90, 95, 99, 99.9);
      fc.assert(
        fc.property(fc.array(latency, { minLength: 50, maxLength: 400 }), percentile, (values, asked) => {
          const exact = exactPercentile(values, asked);
          const answered = percentileFromBins(sketchOf(values), asked) ?? NaN;
          expect(Math.abs(answered - exact)).toBeLessThanOrEqual(exact * 0.025);
        }),
      );
    },
  );

  it('answers the same whether sketches are merged or counted together', () => {
    fc.assert(
      fc.property(latencies, latencies, (left, right) => {
        const merged = new Map<number, bigint>();
        for (const { bin, requests } of [...sketchOf(left), ...sketchOf(right)]) {
          merged.set(bin, (merged.get(bin) ?? 0n) + requests);
        }
        const bins = [...merged].map(([bin, requests]) => ({ bin, requests })).sort((a, b) => a.bin - b.bin);
        expect(percentileFromBins(bins, 95)).toBe(percentileFromBins(sketchOf([...left, ...right]), 95));
      }),
    );
  });

  it('has no percentile without requests', () => {
    expect(percentileFromBins([], 50)).toBeNull();
  });
});
