import type { RefreshWindow, RollupWidths } from './storage-engine';

export const MINUTE_MS = 60_000;
export const QUARTER_HOUR_MS = 900_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Closed buckets lie within `[from, through)`; `from` is `null` where nothing was dropped yet. */
export interface RefreshBounds {
  readonly from: Date | null;
  readonly through: Date | null;
}

/**
 * The whole buckets that the windows touch and that lie within the bounds, as disjoint windows in ascending order.
 * Buckets of `bucketMs` milliseconds (a minute, a quarter of an hour, an hour, a day) begin at multiples of it in UTC.
 */
export function bucketWindows(
  windows: readonly RefreshWindow[],
  bucketMs: number,
  { from, through }: RefreshBounds,
): RefreshWindow[] {
  if (through === null) return [];
  const lowest = from === null ? -Infinity : ceil(from.getTime(), bucketMs);
  const highest = floor(through.getTime(), bucketMs);
  const aligned = windows
    .filter(({ start, end }) => start < end)
    .map(({ start, end }): [number, number] => [
      Math.max(floor(start.getTime(), bucketMs), lowest),
      Math.min(ceil(end.getTime(), bucketMs), highest),
    ])
    .filter(([start, end]) => start < end)
    .sort(([left], [right]) => left - right);
  const merged: [number, number][] = [];
  for (const [start, end] of aligned) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged.map(([start, end]) => ({ start: new Date(start), end: new Date(end) }));
}

/** Whether rollups whose buckets are of `bucketMs` milliseconds are among them. */
export function includesWidth(widths: RollupWidths, bucketMs: number): boolean {
  return widths === 'all' || (widths === 'days') === bucketMs >= DAY_MS;
}

export function startOfBucket(instant: Date, bucketMs: number): Date {
  return new Date(floor(instant.getTime(), bucketMs));
}

function floor(milliseconds: number, bucketMs: number): number {
  return Math.floor(milliseconds / bucketMs) * bucketMs;
}

function ceil(milliseconds: number, bucketMs: number): number {
  return Math.ceil(milliseconds / bucketMs) * bucketMs;
}
