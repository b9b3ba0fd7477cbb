import { IANAZone } from 'luxon';

/** Lengths of buckets, finest first. Days and longer follow the calendar of a time zone; weeks begin on Monday (ISO 8601). */
export const GRANULARITIES = ['minute', '15min', 'hour', 'day', 'week', 'month'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Buckets of the clock, whose length does not depend on the calendar, in milliseconds. */
const CLOCK_UNITS: Partial<Record<Granularity, number>> = {
  minute: MINUTE_MS,
  '15min': 15 * MINUTE_MS,
  hour: HOUR_MS,
};

/** The one change of a zone's offset within a day of UTC, if there is one. Offsets are local time minus UTC. */
interface OffsetsOfDay {
  readonly before: number;
  readonly changesAt: number;
  readonly after: number;
}

/**
 * A time zone of the IANA database and its buckets. Instants are milliseconds since the epoch.
 *
 * The buckets of a granularity cover all time without gap or overlap. A bucket of the clock begins where the local
 * clock shows a multiple of the unit, and where the clock is set: the hour that a clock goes through twice is two
 * buckets, and a clock that is set by half an hour makes an hour of 30 minutes. A day begins at the first instant
 * of its date, also where midnight is skipped or comes twice, so it may have 23 or 25 hours.
 */
export class TimeZone {
  static readonly UTC = new TimeZone('UTC');
  private readonly zone: IANAZone;
  private readonly days = new Map<number, OffsetsOfDay>();
  /** Offset at the start of each day of UTC that was asked for: reading one takes luxon 6 microseconds. */
  private readonly offsets = new Map<number, number>();

  private constructor(readonly name: string) {
    this.zone = IANAZone.create(name);
  }

  /** `undefined` when the IANA database has no zone of this name. Bare offsets such as +05:30 are no zones. */
  static named(name: string): TimeZone | undefined {
    return /^[A-Za-z]/.test(name) && IANAZone.isValidZone(name) ? new TimeZone(name) : undefined;
  }

  /** The start of the bucket that `instant` lies in. */
  floor(instant: number, granularity: Granularity): number {
    const unit = CLOCK_UNITS[granularity];
    if (unit !== undefined) return this.floorOfClock(instant, unit);
    const date = floorOfDate(instant + this.offsetAt(instant), granularity);
    // Where a clock is set back over midnight a date comes twice and its second part belongs to the next day.
    const next = this.startOfDate(nextDate(date, granularity));
    if (next <= instant) return next;
    const start = this.startOfDate(date);
    return start <= instant ? start : this.startOfDate(floorOfDate(date - 1, granularity));
  }

  /** The start of the bucket after the one that begins at `start`. */
  next(start: number, granularity: Granularity): number {
    const unit = CLOCK_UNITS[granularity];
    if (unit !== undefined) return this.nextOfClock(start, unit);
    let date = floorOfDate(start + this.offsetAt(start), granularity);
    let next: number;
    // A date that the zone skipped has no bucket of its own.
    do {
      date = nextDate(date, granularity);
      next = this.startOfDate(date);
    } while (next <= start);
    return next;
  }

  /** `instant` itself when a bucket begins there, else the start of the following one. */
  ceil(instant: number, granularity: Granularity): number {
    const start = this.floor(instant, granularity);
    return start === instant ? instant : this.next(start, granularity);
  }

  /** The instant at which a clock of the zone shows `local`, a date and time as if it were UTC; the first of two. */
  instantOf(local: number): number {
    const offsets = [this.offsetAt(local - DAY_MS), this.offsetAt(local + DAY_MS)];
    const candidates = offsets.map((offset) => local - offset);
    const shown = candidates.filter((candidate) => candidate + this.offsetAt(candidate) === local);
    // Never shown: the clock was set forward over it, so it is the instant at which that happened.
    return shown.length > 0 ? Math.min(...shown) : this.changeBetween(Math.min(...candidates), Math.max(...candidates)); // prettier-ignore
  }

  /** Local time minus UTC at `instant`, in milliseconds. */
  offsetAt(instant: number): number {
    const { before, changesAt, after } = this.offsetsOfDay(Math.floor(instant / DAY_MS));
    return instant < changesAt ? before : after;
  }

  private floorOfClock(instant: number, unit: number): number {
    const offset = this.offsetAt(instant);
    const start = floorTo(instant + offset, unit) - offset;
    return this.offsetAt(start) === offset ? start : this.changeBetween(start, instant);
  }

  private nextOfClock(start: number, unit: number): number {
    const offset = this.offsetAt(start);
    const next = floorTo(start + offset, unit) + unit - offset;
    return this.offsetAt(next - 1) === offset ? next : this.changeBetween(start, next);
  }

  private startOfDate(date: number): number {
    return this.instantOf(date);
  }

  private changeBetween(start: number, end: number): number {
    for (let day = Math.floor(start / DAY_MS); day <= Math.floor(end / DAY_MS); day += 1) {
      const { changesAt } = this.offsetsOfDay(day);
      if (changesAt > start && changesAt <= end) return changesAt;
    }
    throw new Error(`The offset of ${this.name} does not change between ${start} and ${end}.`);
  }

  private offsetsOfDay(day: number): OffsetsOfDay {
    const known = this.days.get(day);
    if (known) return known;
    const [start, end] = [day * DAY_MS, (day + 1) * DAY_MS];
    const [before, after] = [this.offsetAtStartOf(day), this.offsetAtStartOf(day + 1)];
    const offsets = { before, changesAt: before === after ? Infinity : this.findChange(start, end), after };
    this.days.set(day, offsets);
    return offsets;
  }

  private findChange(start: number, end: number): number {
    const before = this.readOffset(start);
    let [unchanged, changed] = [start, end];
    while (changed - unchanged > 1) {
      const middle = Math.floor((unchanged + changed) / 2);
      if (this.readOffset(middle) === before) unchanged = middle;
      else changed = middle;
    }
    return changed;
  }

  private offsetAtStartOf(day: number): number {
    const known = this.offsets.get(day);
    if (known !== undefined) return known;
    const offset = this.readOffset(day * DAY_MS);
    this.offsets.set(day, offset);
    return offset;
  }

  private readOffset(instant: number): number {
    return Math.round(this.zone.offset(instant) * MINUTE_MS);
  }
}

function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

/** The first day of the day, week or month that a local time lies in, as if it were UTC. */
function floorOfDate(local: number, granularity: Granularity): number {
  const day = floorTo(local, DAY_MS);
  const date = new Date(day);
  if (granularity === 'week') return day - ((date.getUTCDay() + 6) % 7) * DAY_MS;
  if (granularity === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  return day;
}

function nextDate(date: number, granularity: Granularity): number {
  if (granularity === 'week') return date + 7 * DAY_MS;
  if (granularity === 'day') return date + DAY_MS;
  const first = new Date(date);
  return Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1);
}
