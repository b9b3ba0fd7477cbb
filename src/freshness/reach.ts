import type { FreshnessStatus } from '../shared/messages/get-freshness.query';

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
  readonly cursors: number;
  /** `null` while a partition has committed nothing. */
  readonly dataThrough: Date | null;
}

/**
 * The instant through which everything that was sent in time is committed. Without a broker every event is committed
 * before it is answered, so that is always now.
 */
export function dataThrough(
  { cursors, dataThrough: through }: PipelineState,
  hasBroker: boolean,
  now: Date,
): Date | null {
  // prettier-ignore
  if (cursors === 0) return hasBroker ? null : now;
  return through;
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
