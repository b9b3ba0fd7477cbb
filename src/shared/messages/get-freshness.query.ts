import { Query } from '@nestjs/cqrs';
import type { TimeWindow } from '../time-window';

export const FRESHNESS_STATUSES = ['fresh', 'delayed', 'stale'] as const;
export type FreshnessStatus = (typeof FRESHNESS_STATUSES)[number];

/** How far the data behind an answer reaches. */
export interface Freshness {
  /** Everything that occurred before it and was sent in time is counted, but for `openGaps`; ISO 8601. `null` before the first event. */
  readonly dataThrough: string | null;
  readonly lagSeconds: number | null;
  readonly status: FreshnessStatus;
  /** Lost parts of the stream that may have held events of the window and that nobody has acknowledged. */
  readonly openGaps: number;
  /** The answer will not change by itself. */
  readonly final: boolean;
}

/**
 * The freshness of an answer about `window`, for one organisation or, with `null`, for all. Ask before reading the
 * data: then it is never better than the answer.
 */
export class GetFreshnessQuery extends Query<Freshness> {
  constructor(
    readonly orgId: string | null,
    readonly window: TimeWindow,
  ) {
    super();
  }
}
