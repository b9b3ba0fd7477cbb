import type { BinCount } from '../shared/latency-sketch';

/** Lists of counts of requests, each packed with its latency bin into one number; a bin may come several times. */
export type PackedBins = readonly (readonly number[])[];

/** How statements pack a count of requests and its latency bin into one number; there are 377 bins. */
const BINS = 512;

/** Used by one call at a time. */
const sums = new Float64Array(BINS);

/** Ascending bins with the sum of what the packed counts say of each. Exact up to 2^53 requests in a bin. */
export function unpackBins(packed: PackedBins): BinCount[] {
  sums.fill(0);
  for (const counts of packed) {
    for (const count of counts) {
      const bin = count % BINS;
      sums[bin] = (sums[bin] ?? 0) + (count - bin) / BINS;
    }
  }
  const bins: BinCount[] = [];
  sums.forEach((requests, bin) => {
    if (requests > 0) bins.push({ bin, requests: BigInt(requests) });
  });
  return bins;
}
