import type { BinCount } from '../shared/latency-sketch';

/** How statements pack a count of requests and its latency bin into one number; there are 377 bins. */
const BINS = 512;

/** Ascending bins with the sum of what the packed counts say of each. Exact up to 2^53 requests in a bin. */
export function unpackBins(packed: Iterable<readonly number[]>): BinCount[] {
  const sums = new Float64Array(BINS);
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
