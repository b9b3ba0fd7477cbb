import { createHash } from 'node:crypto';
import { AppError } from '../shared/errors';
import type { TimeWindow } from '../shared/time-window';

/** Where a page of a list ended: the window it is about, so that pages of "the last 30 days" agree, and its last key. */
export interface PageCursor {
  readonly window: TimeWindow;
  readonly after: string;
}

/** An opaque text that only the same question takes back. */
export function encodeCursor({ window, after }: PageCursor, question: unknown): string {
  const content = [digest(question), window.start, window.end, after];
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

/** Throws `invalid` for a cursor that was not made for this question. */
export function decodeCursor(cursor: string, question: unknown): PageCursor {
  const [made, start, end, after] = parse(cursor);
  if (made !== digest(question) || !isInstant(start) || !isInstant(end) || !isKey(after)) {
    throw AppError.invalidParameter(
      'cursor',
      'must be the nextCursor of an answer to the same question; leave it out to begin with the first page.',
    );
  }
  return { window: { start, end }, after };
}

function parse(cursor: string): readonly unknown[] {
  try {
    const content: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(content) ? content : [];
  } catch {
    return [];
  }
}

function isInstant(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) < 8.64e15;
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function digest(question: unknown): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 16);
}
