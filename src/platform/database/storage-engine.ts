export type StorageEngineKind = 'timescale' | 'postgres';

/** Refresh, expiry and rebuild never run at the same time, in whatever process: each first takes this lease. */
export const ROLLUPS_LEASE = 'rollups';

/** A half-open range of time, `[start, end)`. */
export interface RefreshWindow {
  readonly start: Date;
  readonly end: Date;
}

/** Everything that lies wholly before its instant is past its retention. */
export interface RetentionHorizons {
  /** Raw events: `rollup_state.raw_from` as an earlier run announced it; `null` while none did. */
  readonly events: Date | null;
  /** No question reads an hour below as one that is materialised in part; what is kept for that alone can go. */
  readonly openHour: Date | null;
  /** Rollups by the width of their buckets, as an earlier run announced it; `null` while none did. */
  readonly quarterHours: Date | null;
  readonly hours: Date | null;
  readonly days: Date | null;
  /** Dedupe keys, by arrival. */
  readonly keys: Date;
  /** Rows of the batch ledger, by commit. */
  readonly batches: Date;
  /** Raw events that lie wholly before this are compressed where the engine can. */
  readonly compression: Date;
}

/** `hours`: those whose buckets are at most an hour wide; `days`: the others, which are computed from what these hold. */
export type RollupWidths = 'all' | 'hours' | 'days';

/**
 * What differs between TimescaleDB and plain PostgreSQL once the schema is there. Both expose the same relations with
 * the same columns and the same answers; nothing else in the service asks which one runs.
 *
 * `refresh`, `advance`, `rebuild` and `expire` wait for each other, in whatever process they run. All of them are safe to repeat
 * and to interrupt.
 */
export abstract class StorageEngine {
  abstract readonly kind: StorageEngineKind;

  /** The watermark is a multiple of this, in milliseconds. */
  abstract readonly watermarkStep: number;

  /** Makes the partitions that batches need, from RAW_RETENTION before `now` to 8 days after it. Idempotent, cheap. */
  abstract prepare(now: Date): Promise<void>;

  /** Where the first refresh has to begin: at or before the oldest event; `null` when there is none. */
  abstract oldestEvent(): Promise<Date | null>;

  /**
   * Must be called before `watermark` is announced. Whatever is committed below it by transactions that then still
   * run, or begin later, is not missed by a refresh of the windows it falls into.
   */
  abstract noticeChangesBelow(watermark: Date): Promise<void>;

  /**
   * Materialises what is not materialised yet: every rollup, children before parents, for the closed buckets that
   * `window` touches, and moves `rollup_state.materialized_through` to `window.end`, which is never above the
   * announced watermark. `window.start` is where it stood.
   */
  abstract advance(window: RefreshWindow): Promise<void>;

  /**
   * Computes again every closed bucket that the windows touch, as far as it is read. What lies below `rollup_state.raw_from` or above
   * `rollup_state.materialized_through` is left alone, so that a bucket never shrinks because its events are gone.
   */
  abstract refresh(windows: readonly RefreshWindow[], widths?: RollupWidths): Promise<void>;

  /**
   * Makes every rollup of the closed buckets that `window` touches what the events say, whatever it holds; of one
   * organisation where the engine can tell them apart, else of all (`null`). Answers stay as they are or become right
   * while it runs. The same limits as for `refresh` hold. `signal` ends it between steps: then `refresh` takes what it
   * has mended into the rollups above.
   */
  abstract rebuild(window: RefreshWindow, orgId: string | null, signal?: AbortSignal): Promise<void>;

  /** Drops what has passed its retention and compresses what is due; never touches a rollup above its horizon. */
  abstract expire(horizons: RetentionHorizons): Promise<void>;
}
