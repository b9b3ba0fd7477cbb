import * as fc from 'fast-check';
import { prefetchAfterOverflow, prefetchOf, smallMessageBytes } from './prefetch';

const SETTINGS = { ingestBatchSize: 5_000, ingestBufferBytes: 64_000_000 };
const settings = fc.record({
  ingestBatchSize: fc.integer({ min: 1, max: 50_000 }),
  ingestBufferBytes: fc.integer({ min: 1_000, max: 1_000_000_000 }),
});

describe('the prefetch', () => {
  it('keeps three batches of single events moving', () => {
    expect(prefetchOf(SETTINGS)).toBe(15_000);
  });

  it('fits twice into half of the buffer, because the broker may deliver twice as many', () => {
    expect(prefetchOf(SETTINGS, 100_000)).toBe(160);
  });

  it('is one that the protocol knows, and never 0, which would mean no limit', () => {
    fc.assert(
      fc.property(settings, fc.integer({ min: 0, max: 2_000_000_000 }), (of, mean) => {
        const prefetch = prefetchOf(of, mean);
        expect(prefetch).toBeGreaterThanOrEqual(1);
        expect(prefetch).toBeLessThanOrEqual(65_535);
      }),
    );
  });

  it('becomes 1 by overflows, however small the messages look, in a few steps', () => {
    fc.assert(
      fc.property(settings, fc.integer({ min: 1, max: 100_000 }), (of, mean) => {
        let prefetch = prefetchOf(of);
        for (let overflow = 0; overflow < 16; overflow += 1)
          prefetch = prefetchAfterOverflow(of, prefetch, mean);
        expect(prefetch).toBe(1);
      }),
    );
  });

  it('is not asked to grow where it is all that may be asked for', () => {
    fc.assert(fc.property(settings, (of) => expect(smallMessageBytes(of, prefetchOf(of))).toBe(0)));
  });

  it('grows again for messages that are small enough, and is not asked to shrink for the same ones', () => {
    fc.assert(
      fc.property(settings, fc.integer({ min: 1, max: 65_535 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (of, current, part) => {
        const small = smallMessageBytes(of, current);
        if (small === 0) return expect(current).toBeGreaterThanOrEqual(prefetchOf(of));
        const grown = prefetchOf(of, small * part);
        expect(grown).toBeGreaterThanOrEqual(Math.min(4 * current, prefetchOf(of)));
        // A product may be rounded up.
        const most = Math.max(of.ingestBufferBytes / 4, small * part) * (1 + 4 * Number.EPSILON);
        expect(grown * small * part).toBeLessThanOrEqual(most);
      }),
    ); // prettier-ignore
  });
});
