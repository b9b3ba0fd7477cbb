import { AppError } from '../shared/errors';
import { INSTANT_FORMS, parseInstant, type TimeWindow } from '../shared/time-window';
import { HOUR_MS, TimeZone } from '../shared/time-zone';

interface AskedWindow {
  readonly start: string;
  readonly end: string;
}

/**
 * The window, widened to whole hours of UTC. `horizon`: from where on single events are kept; rollups below it can no
 * longer be computed. Throws `AppError` that says which windows are possible.
 */
export function reaggregationWindow(
  { start: startText, end: endText }: AskedWindow,
  timezone: string,
  horizon: number,
  now: number,
): TimeWindow {
  const zone = TimeZone.named(timezone);
  if (!zone) throw invalid('/timezone', 'must be a time zone of the IANA database such as Europe/Berlin.');
  const start = parseInstant(startText, { now, zone, side: 'start' });
  if (start === undefined) throw invalid('/window/start', `must be ${INSTANT_FORMS}.`);
  const end = parseInstant(endText, { now, zone, side: 'end' });
  if (end === undefined) throw invalid('/window/end', `must be ${INSTANT_FORMS}.`);
  if (start >= end) throw invalid('/window/end', 'must be after /window/start.');
  if (end > now) throw invalid('/window/end', `must be at most now, ${iso(now)}.`);
  const snapped = {
    start: Math.floor(start / HOUR_MS) * HOUR_MS,
    end: Math.ceil(end / HOUR_MS) * HOUR_MS,
  };
  if (snapped.start >= horizon) return snapped;
  throw new AppError(
    'unanswerable',
    `Rollups can be computed again where single events are kept, from ${iso(horizon)} to ${iso(now)}: ask for a window within.`,
    { violations: [{ pointer: '/window/start', detail: `must be ${iso(horizon)} or later.` }] },
  );
}

function invalid(pointer: string, detail: string): AppError {
  return new AppError('invalid', `${pointer}: ${detail}`, { violations: [{ pointer, detail }] });
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
