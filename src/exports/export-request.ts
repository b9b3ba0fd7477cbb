import { createHash } from 'node:crypto';
import { INSTANT_FORMS, parseInstant } from '../shared/time-window';
import { type ExportFilters, type ExportFormat, type ExportGranularity, type FileSpecification, type FocusVersion, zoneOf } from './file-specification'; // prettier-ignore
import { invalidField } from './invalid-field';

/** A file as it was asked for, in the caller's words. */
export interface ExportRequest {
  /** In one of `INSTANT_FORMS`. */
  readonly window: { readonly start: string; readonly end: string };
  readonly granularity: ExportGranularity;
  readonly timezone: string;
  readonly filters: ExportFilters;
  readonly format: ExportFormat;
  readonly focusVersion: FocusVersion | null;
}

/** What the request means at the moment `now`, unchecked but for its times. Throws `AppError('invalid')`. */
export function meaningOf(request: ExportRequest, now: number): FileSpecification {
  const { window, timezone: timeZone, granularity, filters, format, focusVersion } = request;
  const zone = zoneOf({ timeZone });
  const instant = (side: 'start' | 'end'): number => {
    const parsed = parseInstant(window[side], { now, zone, side });
    if (parsed === undefined) throw invalidField(`/window/${side}`, `must be ${INSTANT_FORMS}.`);
    return parsed;
  };
  return {
    window: { start: instant('start'), end: instant('end') },
    granularity,
    timeZone,
    filters,
    format,
    focusVersion,
  };
}

/** SHA-256 by which a request is known again: of its words, so that one that says `now` stays the same. */
export function fingerprintOf(request: ExportRequest): Buffer {
  const { window, granularity, timezone, filters, format, focusVersion } = request;
  const { modelIds, clientIds, statuses } = filters;
  const words = [
    window.start,
    window.end,
    granularity,
    timezone,
    modelIds,
    clientIds,
    statuses,
    format,
    focusVersion,
  ];
  return createHash('sha256').update(JSON.stringify(words)).digest();
}
