export type StorageEngineKind = 'timescale' | 'postgres';

/** A half-open range of time, `[start, end)`. */
export interface RefreshWindow {
  readonly start: Date;
  readonly end: Date;
}

/**
 * What differs between TimescaleDB and plain PostgreSQL once the schema is there. Both expose the same relations with
 * the same columns and the same answers; nothing else in the service asks which one runs.
 */
export abstract class StorageEngine {
  abstract readonly kind: StorageEngineKind;

  /** Makes the partitions that batches need from 31 days before `now` to 8 days after it. Idempotent and cheap. */
  abstract prepare(now: Date): Promise<void>;

  /**
   * Materialises every rollup from the relation below it for the buckets that `window` touches, children before
   * parents. `window.end` is never above the announced watermark and `window.start` never behind what the sources
   * still hold. Safe to repeat and to interrupt.
   */
  abstract refresh(window: RefreshWindow): Promise<void>;

  /** Drops what has passed its retention and compresses what is due; never touches a rollup above its horizon. */
  abstract expire(now: Date): Promise<void>;
}
