import { AppError } from '../shared/errors';
import { INSTANT_FORMS, parseInstant, type TimeWindow } from '../shared/time-window';
import { DAY_MS, HOUR_MS, TimeZone } from '../shared/time-zone';

const MAX_DAYS = 366;

interface WindowParameters {
  readonly start: string;
  readonly end: string;
  readonly timezone?: string | undefined;
}

/**
 * The window, widened to whole hours of UTC, which is what the ledger counts by. `hoursFrom`: what retention has recorded
 * of hourly rollups. Throws `AppError` that says what can be asked for.
 */
export function certifiableWindow(
  { start: startText, end: endText, timezone = 'UTC' }: WindowParameters,
  now: number,
  { retentionHourly, hoursFrom }: { readonly retentionHourly: number; readonly hoursFrom: Date | null },
): TimeWindow {
  const zone = TimeZone.named(timezone);
  if (!zone) throw AppError.invalidParameter('timezone', 'must be a time zone of the IANA database such as Europe/Berlin.'); // prettier-ignore
  const start = parseInstant(startText, { now, zone, side: 'start' });
  if (start === undefined) throw AppError.invalidParameter('start', `must be ${INSTANT_FORMS}.`);
  const end = parseInstant(endText, { now, zone, side: 'end' });
  if (end === undefined) throw AppError.invalidParameter('end', `must be ${INSTANT_FORMS}.`);
  if (start >= end) throw AppError.invalidParameter('end', 'must be after start.');
  if (end - start > MAX_DAYS * DAY_MS)
    throw AppError.invalidParameter('end', `must be at most ${MAX_DAYS} days after start.`);
  if (start > now) throw AppError.invalidParameter('start', 'must be in the past.');
  const retained = Math.ceil((now - retentionHourly) / DAY_MS) * DAY_MS;
  const earliest = Math.max(retained, hoursFrom?.getTime() ?? -Infinity);
  if (start < earliest) {
    throw new AppError(
      'unanswerable',
      `Rollups are kept from ${new Date(earliest).toISOString()} on (RETENTION_HOURLY): the window must begin then or later.`,
      { violations: [{ parameter: 'start', detail: `must be ${new Date(earliest).toISOString()} or later.` }] }, // prettier-ignore
    );
  }
  return { start: Math.floor(start / HOUR_MS) * HOUR_MS, end: Math.ceil(end / HOUR_MS) * HOUR_MS };
}
