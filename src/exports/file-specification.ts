import { AppError } from '../shared/errors';
import { type Buckets, bucketsCovering, type TimeWindow } from '../shared/time-window';
import { DAY_MS, HOUR_MS, TimeZone } from '../shared/time-zone';
import type { UsageStatus } from '../shared/usage-event/usage-event';
import { invalidField } from './invalid-field';

export const EXPORT_GRANULARITIES = ['hourly', 'daily', 'monthly', 'events'] as const;
export type ExportGranularity = (typeof EXPORT_GRANULARITIES)[number];

export const EXPORT_FORMATS = ['csv', 'csv.gz', 'focus'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Versions of the FinOps Open Cost and Usage Specification that a file can follow. */
export const FOCUS_VERSIONS = ['1.2', '1.4'] as const;
export type FocusVersion = (typeof FOCUS_VERSIONS)[number];

export const MAX_WINDOW_DAYS = 31;

/** Empty lists do not filter. Statuses only filter single events: rollups do not hold tokens and cost by status. */
export interface ExportFilters {
  readonly modelIds: readonly string[];
  readonly clientIds: readonly string[];
  readonly statuses: readonly UsageStatus[];
}

/** What a file is to hold. */
export interface FileSpecification {
  /** Whole buckets of the time zone; of `events` exactly what was asked for. */
  readonly window: TimeWindow;
  readonly granularity: ExportGranularity;
  readonly timeZone: string;
  readonly filters: ExportFilters;
  readonly format: ExportFormat;
  /** Only of the format `focus`. */
  readonly focusVersion: FocusVersion | null;
}

/** How long the relations that files are read from are kept, in milliseconds. */
export interface Retention {
  readonly rawRetention: number;
  readonly retention15min: number;
  readonly retentionHourly: number;
}

export type UsageRelation = 'usage_15min' | 'usage_hourly';

/** From when on each relation is kept, in milliseconds since the epoch. */
export type KeptFrom = Readonly<Record<UsageRelation | 'usage_events', number>>;

const BUCKET_OF = { hourly: 'hour', daily: 'day', monthly: 'month' } as const;

/**
 * Snaps the window outward to whole buckets and checks that the file can be made. `kept`: what retention has recorded,
 * which says more than its length where that was shorter before. Throws `AppError` that says which limit is not kept and
 * what can be asked for instead.
 */
export function specifyFile(
  asked: FileSpecification,
  now: number,
  retention: Retention,
  kept: KeptFrom,
): FileSpecification {
  const zone = zoneOf(asked);
  if (asked.window.start >= asked.window.end)
    throw invalidField('/window/end', 'must be after window.start.');
  if (asked.granularity === 'events' && asked.format === 'focus') {
    throw invalidField('/granularity', 'must be hourly, daily or monthly with the format focus.');
  }
  if (asked.granularity !== 'events' && asked.filters.statuses.length > 0) {
    throw invalidField('/filters/statuses', 'can only filter the granularity events.');
  }
  const window = wholeBuckets(asked, zone);
  if (asked.window.start >= now) throw invalidField('/window/start', 'must be in the past.');
  if (window.end > daysAfter(window.start, MAX_WINDOW_DAYS, zone)) {
    throw invalidField(
      '/window',
      `must be at most ${MAX_WINDOW_DAYS} days; in whole buckets of ${zone.name} it reaches from ${iso(window.start)} to ${iso(window.end)}.`,
    );
  }
  const specification: FileSpecification = {
    ...asked,
    timeZone: zone.name,
    window,
    focusVersion: asked.format === 'focus' ? (asked.focusVersion ?? '1.4') : null,
  };
  assertKept(specification, {
    usage_events: Math.max(now - retention.rawRetention, kept.usage_events),
    usage_15min: Math.max(now - retention.retention15min, kept.usage_15min),
    usage_hourly: Math.max(now - retention.retentionHourly, kept.usage_hourly),
  });
  return specification;
}

/** The buckets of a file; `null` when it holds single events. */
export function bucketsOf({ window, granularity, timeZone }: FileSpecification): Buckets | null {
  if (granularity === 'events') return null;
  return bucketsCovering(window, BUCKET_OF[granularity], zoneOf({ timeZone }));
}

/** The coarsest relation of which every bucket lies in one bucket of the file. */
export function relationOf({ starts, end }: Buckets): UsageRelation {
  return [...starts, end].every((boundary) => boundary % HOUR_MS === 0) ? 'usage_hourly' : 'usage_15min';
}

/** Throws `AppError('unanswerable')` where the window begins before what the file is made of is kept. */
export function assertKept(specification: FileSpecification, kept: KeptFrom): void {
  const { window, granularity, timeZone } = specification;
  const buckets = bucketsOf(specification);
  const relation = buckets === null ? 'usage_events' : relationOf(buckets);
  const from = kept[relation];
  if (window.start >= from) return;
  const what = {
    usage_events: 'Single events',
    usage_15min: `Rollups that can be cut into ${granularity} buckets of ${timeZone}`,
    usage_hourly: 'Hourly rollups',
  }[relation];
  const instead = relation === 'usage_events' ? ', or ask for the granularity hourly' : '';
  throw new AppError(
    'unanswerable',
    `${what} are kept from ${iso(from)} on: the window must begin then or later${instead}.`,
  );
}

export function zoneOf({ timeZone }: Pick<FileSpecification, 'timeZone'>): TimeZone {
  const zone = TimeZone.named(timeZone);
  if (!zone)
    throw invalidField('/timezone', 'must be a time zone of the IANA database such as Europe/Berlin.');
  return zone;
}

function wholeBuckets(asked: FileSpecification, zone: TimeZone): TimeWindow {
  if (asked.granularity === 'events') return asked.window;
  const unit = BUCKET_OF[asked.granularity];
  return { start: zone.floor(asked.window.start, unit), end: zone.ceil(asked.window.end, unit) };
}

/** The same time of day so many days later: days of 23 and 25 hours count as days. */
function daysAfter(start: number, days: number, zone: TimeZone): number {
  return zone.instantOf(start + zone.offsetAt(start) + days * DAY_MS);
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
