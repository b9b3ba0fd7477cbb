import { Gauge, Histogram } from 'prom-client';

let materializedThrough: Date | null = null;

export const rollupRefreshDuration = new Histogram({
  name: 'rollup_refresh_duration_seconds',
  help: 'Duration of a refresh of the rollups, late windows included.',
  labelNames: ['outcome'],
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
});

export const rollupDirtyWindows = new Gauge({
  name: 'rollup_dirty_windows',
  help: 'Hours with late events that the last refresh found, by organisation and hour.',
});

export const rollupWatermarkLag = new Gauge({
  name: 'rollup_watermark_lag_seconds',
  help: 'Age of the instant up to which rollups are materialised; grows while they are not.',
  collect() {
    if (materializedThrough) this.set((Date.now() - materializedThrough.getTime()) / 1_000);
    // Not zero: the least of all processes is watched, and most of them refresh nothing.
    else this.remove();
  },
});

/** What the next scrape measures the lag from. */
export function noteMaterializedThrough(instant: Date | null): void {
  materializedThrough = instant;
}
