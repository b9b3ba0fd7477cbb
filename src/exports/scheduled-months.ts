import { CronTime } from 'cron';
import type { TimeWindow } from '../shared/time-window';
import type { TimeZone } from '../shared/time-zone';

export interface ScheduledMonth extends TimeWindow {
  /** `2026-10` */
  readonly name: string;
}

/**
 * The months that a schedule hands out within `(after, through]`: whenever it fires, the calendar month before, each
 * month once. All in the time zone.
 */
export function scheduledMonths(
  cron: string,
  zone: TimeZone,
  after: number,
  through: number,
): ScheduledMonth[] {
  const times = new CronTime(cron, zone.name);
  const months: ScheduledMonth[] = [];
  let from = after;
  for (;;) {
    const fires = times.getNextDateFrom(new Date(from), zone.name).toMillis();
    if (fires > through) return months;
    const end = zone.floor(fires, 'month');
    const start = zone.floor(end - 1, 'month');
    const name = new Date(start + zone.offsetAt(start)).toISOString().slice(0, 7);
    if (months.at(-1)?.name !== name) months.push({ name, start, end });
    // Firing again within the same month would hand out the same one.
    from = zone.next(end, 'month') - 1_000;
  }
}
