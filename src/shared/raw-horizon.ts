import { DAY_MS } from './time-zone';

/**
 * From where on single events are kept for certain, in milliseconds since the epoch. `rawFrom`: what retention has given
 * up; `null` when it has not run yet, and then what it would give up next.
 */
export function rawHorizon(rawFrom: Date | null, rawRetention: number, now: number): number {
  return rawFrom?.getTime() ?? Math.ceil((now - rawRetention) / DAY_MS) * DAY_MS;
}
