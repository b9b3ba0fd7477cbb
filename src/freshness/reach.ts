import type { FreshnessStatus } from '../shared/messages/get-freshness.query';
import { MINUTE_MS } from '../shared/time-zone';

/**
 * What is not committed yet was decoded at most this long before the instant that data reaches through. That instant is
 * told by events, which may be five minutes ahead of the clock they are decoded by; and without a broker it is now, while
 * a request that is being committed was decoded before: it waits 5 s for a connection and three times, at most 75 s each,
 * for the database.
 */
const DECODED_BEFORE_MS = 5 * MINUTE_MS;

/** Settings, in milliseconds. */
export interface FreshnessLimits {
  readonly freshWithin: number;
  readonly delayedWithin: number;
}

/** How far data reaches, seen from now. */
export interface Reach {
  readonly dataThrough: string | null;
  readonly lagSeconds: number | null;
  readonly status: FreshnessStatus;
}

/** What the cursors say about the pipeline. */
export interface PipelineState {
  /** Of how many of the partitions in use there is one. */
  readonly cursors: number;
  /** Of all cursors that count; `null` without any, and while a partition has committed nothing. */
  readonly dataThrough: Date | null;
}

/** What is read: `partitions` streams of a broker, or none when every event is committed before it is answered. */
export interface Intake {
  readonly hasBroker: boolean;
  readonly partitions: number;
}

/**
 * The instant through which everything that was sent in time is committed; `null` while a partition has committed
 * nothing, whether or not anybody has taken it yet. Without a broker that is always now.
 */
export function dataThrough(
  { cursors, dataThrough: through }: PipelineState,
  { hasBroker, partitions }: Intake,
  now: Date,
): Date | null {
  if (hasBroker) return cursors < partitions ? null : through;
  return cursors === 0 ? now : through;
}

/**
 * Whether no event that is still to be committed can have occurred before `end`. An event is held against the late
 * horizon when it is decoded, and its batch may be tried for hours after that: so it counts how far data reaches, not
 * what time it is.
 */
export function isPastLateEvents(
  end: number,
  { through, now, lateHorizon }: { through: Date | null; now: Date; lateHorizon: number },
): boolean {
  if (through === null) return false;
  return end <= Math.min(through.getTime(), now.getTime()) - DECODED_BEFORE_MS - lateHorizon;
}

/** Judges by the lag alone: an organisation that sends nothing is as fresh as the pipeline is. */
export function reachOf(
  through: Date | null,
  { freshWithin, delayedWithin }: FreshnessLimits,
  now: Date,
): Reach {
  if (through === null) return { dataThrough: null, lagSeconds: null, status: 'stale' };
  const lag = Math.max(0, now.getTime() - through.getTime());
  const status = lag <= freshWithin ? 'fresh' : lag <= delayedWithin ? 'delayed' : 'stale';
  return { dataThrough: through.toISOString(), lagSeconds: lag / 1_000, status };
}
