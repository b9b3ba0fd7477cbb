import { bucketsCovering, type TimeWindow } from '../shared/time-window';
import { TimeZone } from '../shared/time-zone';
import { type AnswerLimits, chooseRelation } from './choose-relation';
import type { ListParameters } from './list-parameters.dto';
import { decodeCursor, encodeCursor } from './page-cursor';
import { askWindow } from './series-question';

/** A page of a list, checked and ready to be read: the rows after a key, in whole days of UTC. */
export interface PageQuestion {
  readonly window: TimeWindow;
  /** `null` for the first page. */
  readonly after: string | null;
  readonly limit: number;
  /** The cursor behind a row with this key. */
  readonly cursorAfter: (key: string) => string;
}

const DEFAULT_LIMIT = 1_000;

/** `list` names the list and everything but the page that its rows depend on: a cursor of another list is refused. */
export function askPage(
  { start = 'now-30d', end = 'now', cursor, limit = DEFAULT_LIMIT }: ListParameters,
  list: readonly unknown[],
  { limits, now }: { limits: AnswerLimits; now: Date },
): PageQuestion {
  const question = [...list, start, end];
  const page = cursor === undefined ? null : decodeCursor(cursor, question);
  const window = page?.window ?? askWindow({ start, end }, now);
  const buckets = bucketsCovering(window, 'day', TimeZone.UTC);
  // Daily rollups hold what is listed; this only refuses what they no longer cover.
  chooseRelation({ of: 'counts', buckets, dimensions: new Set(), platformWide: true }, limits, now);
  const whole = { start: buckets.start, end: buckets.end };
  return {
    window: whole,
    after: page?.after ?? null,
    limit,
    cursorAfter: (key) => encodeCursor({ window: whole, after: key }, question),
  };
}

/** The rows of a page out of one row more than it holds, and the cursor of the next page or `null`. */
export function cutPage<Row>(
  rows: readonly Row[],
  { limit, cursorAfter }: PageQuestion,
  keyOf: (row: Row) => string,
): { rows: readonly Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, nextCursor: rows.length > limit && last ? cursorAfter(keyOf(last)) : null };
}
