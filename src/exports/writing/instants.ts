import { HOUR_MS, MINUTE_MS, type TimeZone } from '../../shared/time-zone';

/** `2026-10-25T02:00:00+02:00`: what the clock of the zone shows, with its offset; `Z` in UTC. */
export function localTime(instant: number, zone: TimeZone): string {
  const offset = zone.offsetAt(instant);
  const shown = new Date(instant + offset).toISOString().slice(0, 19);
  return zone.name === 'UTC' ? `${shown}Z` : `${shown}${offsetOf(offset)}`;
}

/** `2026-10-25T00:00:00Z`. */
export function utcTime(instant: number): string {
  return `${new Date(instant).toISOString().slice(0, 19)}Z`;
}

function offsetOf(offset: number): string {
  const size = Math.abs(offset);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${offset < 0 ? '-' : '+'}${two(size / HOUR_MS)}:${two((size % HOUR_MS) / MINUTE_MS)}`;
}
