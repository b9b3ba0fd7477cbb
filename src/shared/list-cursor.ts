import { AppError } from './errors';

/** Where the next page of a list begins: after this row. */
export interface ListPosition {
  /** Of the instant the list is ordered by: microseconds since the epoch, as text. */
  readonly micros: string;
  readonly id: string;
}

const CURSOR = /^(\d{1,17})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** A page of rows, of which one more than asked for was read, with the cursor of the next; `null` on the last. */
export function pageOf<Row extends ListPosition>(
  found: readonly Row[],
  limit: number,
): { rows: readonly Row[]; nextCursor: string | null } {
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { rows, nextCursor: last && found.length > limit ? cursorOf(last) : null };
}

function cursorOf({ micros, id }: ListPosition): string {
  return Buffer.from(`${micros}.${id}`).toString('base64url');
}

/** `null` without a cursor. Throws `AppError` for what was no `nextCursor`. */
export function positionOf(cursor: string | undefined): ListPosition | null {
  if (cursor === undefined) return null;
  const [, micros, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (micros === undefined || id === undefined)
    throw AppError.invalidParameter('cursor', 'must be the nextCursor of the page before.');
  return { micros, id };
}
