import { DateTime } from 'luxon';
import { DAY_MS, type Granularity, HOUR_MS, MINUTE_MS, type TimeZone } from './time-zone';

/** A half-open range of time, `[start, end)`, in milliseconds since the epoch. */
export interface TimeWindow {
  readonly start: number;
  readonly end: number;
}

/** A window cut into whole buckets of one granularity: bucket i is `[starts[i], starts[i + 1])`, the last ends at `end`. */
export interface Buckets extends TimeWindow {
  readonly granularity: Granularity;
  readonly zone: TimeZone;
  /** Ascending, never empty. */
  readonly starts: readonly number[];
}

/** Buckets of the granularity in a window of this length: exact for the clock's, within one or two for the calendar's. */
export function approximateCount({ start, end }: TimeWindow, granularity: Granularity): number {
  return Math.ceil((end - start) / TYPICAL_MS[granularity]);
}

const TYPICAL_MS: Record<Granularity, number> = {
  minute: MINUTE_MS,
  '15min': 15 * MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30.436875 * DAY_MS, // mean of the Gregorian calendar
};

/** The whole buckets that cover `window`, which must not be empty: its start moves back and its end on, or they stay. */
export function bucketsCovering(window: TimeWindow, granularity: Granularity, zone: TimeZone): Buckets {
  const start = zone.floor(window.start, granularity);
  const starts: number[] = [];
  let end = start;
  do {
    starts.push(end);
    end = zone.next(end, granularity);
  } while (end < window.end);
  return { granularity, zone, start, end, starts };
}

/** As many buckets as `buckets` has, directly before them. */
export function bucketsBefore({ granularity, zone, start, starts }: Buckets): Buckets {
  const before: number[] = [];
  for (let next = start; before.length < starts.length;) {
    next = zone.floor(next - 1, granularity);
    before.push(next);
  }
  before.reverse();
  return { granularity, zone, start: before[0] ?? start, end: start, starts: before };
}

/** Where bucket `index` ends. */
export function endOfBucket({ starts, end }: Buckets, index: number): number {
  return starts[index + 1] ?? end;
}

/** What `parseInstant` understands, to complete the sentence "start: must be …". */
export const INSTANT_FORMS =
  'an ISO 8601 date or date-time (without an offset it is local to timezone), epoch seconds or milliseconds, ' +
  'or now, now-24h, now-7d, now/d (units s, m, h, d, w, M, y), between 1970 and 2100';

const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const RELATIVE = /^now((?:[+-]\d{1,6}[smhdwMy])*)(?:\/([mhdwMy]))?$/;
const LATEST = Date.UTC(2100, 0, 1);
/** As seconds this is the year 5138, as milliseconds 1973. */
const LEAST_MILLISECONDS = 100_000_000_000;

const UNITS = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', y: 'year' } as const;
type Unit = keyof typeof UNITS;

interface InstantContext {
  readonly now: number;
  readonly zone: TimeZone;
  /** Which side of a window this is: `/d` rounds a start down and an end up, as Grafana does. */
  readonly side: 'start' | 'end';
}

/** Milliseconds since the epoch of a time in one of `INSTANT_FORMS`; `undefined` for anything else. */
export function parseInstant(text: string, context: InstantContext): number | undefined {
  const given = text.trim();
  const instant = /^\d{9,15}$/.test(given)
    ? fromEpoch(Number(given))
    : (fromIso(given, context.zone) ?? fromNow(given, context));
  return instant !== undefined && instant >= 0 && instant < LATEST ? instant : undefined;
}

function fromEpoch(number: number): number {
  return number < LEAST_MILLISECONDS ? number * 1_000 : number;
}

function fromIso(text: string, zone: TimeZone): number | undefined {
  // An offset's plus sign that was not percent-encoded arrives as a space.
  const iso = text.toUpperCase().replace(/(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$/, '$1+$2');
  if (!ISO.test(iso)) return undefined;
  const parsed = DateTime.fromISO(iso.replace(' ', 'T'), { zone: zone.name });
  return parsed.isValid ? parsed.toMillis() : undefined;
}

function fromNow(text: string, { now, zone, side }: InstantContext): number | undefined {
  const [matched, shifts = '', rounding] = RELATIVE.exec(text) ?? [];
  if (matched === undefined) return undefined;
  let time = DateTime.fromMillis(now, { zone: zone.name });
  for (const [, sign, count, unit] of shifts.matchAll(/([+-])(\d+)([smhdwMy])/g)) {
    time = time.plus({ [UNITS[unit as Unit]]: sign === '-' ? -Number(count) : Number(count) });
  }
  if (rounding === undefined) return time.toMillis();
  const start = time.startOf(UNITS[rounding as Unit]);
  return (side === 'start' ? start : start.plus({ [UNITS[rounding as Unit]]: 1 })).toMillis();
}
