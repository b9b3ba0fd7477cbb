/**
 * A latency sketch counts requests per logarithmic bin, as in DDSketch (Masson, Rim, Lee, "DDSketch: a fast and
 * fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12(12), 2019). Bins are mergeable by
 * addition, so percentiles of any set of buckets come from the sums of their counts.
 *
 * Bin 0 holds 0 ms; bin i >= 1 holds (RATIO^(i-2), RATIO^(i-1)] ms, so that bin 1 is exactly 1 ms.
 */
export const RATIO = 1.05;

const LN_RATIO = Math.log(RATIO);
const LARGEST_TABLED_MS = 65_536;
const tabled = Uint16Array.from({ length: LARGEST_TABLED_MS }, (_, ms) => computeBin(ms));

/** The bin of a latency in whole milliseconds, 0 to 86,400,000. Monotonic; at most 376. */
export function latencyBin(ms: number): number {
  return ms < LARGEST_TABLED_MS ? (tabled[ms] ?? 0) : computeBin(ms);
}

/**
 * The latency, in milliseconds, that stands for a bin: 2·upper/(RATIO+1), the value whose relative distance to
 * both ends of the bin is the same, (RATIO-1)/(RATIO+1) = 2.44 %.
 */
export function latencyOfBin(bin: number): number {
  if (bin <= 0) return 0;
  return bin === 1 ? 1 : (2 * RATIO ** (bin - 1)) / (RATIO + 1);
}

/** Requests counted in one bin. */
export interface BinCount {
  readonly bin: number;
  readonly requests: bigint;
}

/**
 * The `percentile` (0 < percentile <= 100) in milliseconds by the nearest-rank definition: the latency of the
 * ceil(percentile/100 · n)-th smallest request, within 2.44 % of the exact one. `null` without requests.
 * `bins` must ascend.
 */
export function percentileFromBins(bins: readonly BinCount[], percentile: number): number | null {
  const total = bins.reduce((sum, { requests }) => sum + requests, 0n);
  if (total === 0n) return null;
  // Thousandths of a percent keep p99.9 and p99.99 in integers: a float rank is off by one past 2^53.
  const share = BigInt(Math.round(percentile * 1_000));
  const rank = (total * share + 99_999n) / 100_000n;
  let seen = 0n;
  for (const { bin, requests } of bins) {
    seen += requests;
    if (seen >= rank) return latencyOfBin(bin);
  }
  return latencyOfBin(bins.at(-1)?.bin ?? 0);
}

function computeBin(ms: number): number {
  if (ms <= 0) return 0;
  // The epsilon keeps exact powers (1 ms) in their own bin despite the logarithm's last digit.
  return 1 + Math.max(0, Math.ceil(Math.log(ms) / LN_RATIO - 1e-9));
}
