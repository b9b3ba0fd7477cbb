import { TimeZone } from '../shared/time-zone';
import { scheduledMonths } from './scheduled-months';

const berlin = TimeZone.named('Europe/Berlin') ?? TimeZone.UTC;
const names = (cron: string, after: string, through: string, zone = berlin) =>
  scheduledMonths(cron, zone, Date.parse(after), Date.parse(through)).map(({ name }) => name);

describe('the schedule of monthly exports', () => {
  it('hands out the month before when it fires, in its time zone', () => {
    expect(names('0 6 8 * *', '2026-11-08T04:59:59Z', '2026-11-08T05:00:00Z')).toEqual(['2026-10']);
    expect(names('0 6 8 * *', '2026-11-08T05:00:00Z', '2026-12-08T04:59:59Z')).toEqual([]);
    const [month] = scheduledMonths(
      '0 6 8 * *',
      berlin,
      Date.parse('2026-11-08T04:00:00Z'),
      Date.parse('2026-11-09T00:00:00Z'),
    );
    expect(new Date(month?.start ?? 0).toISOString()).toBe('2026-09-30T22:00:00.000Z');
    expect(new Date(month?.end ?? 0).toISOString()).toBe('2026-10-31T23:00:00.000Z');
  });

  it('catches up what fell due while nothing ran, each month once', () => {
    expect(names('0 6 8 * *', '2026-08-20T00:00:00Z', '2026-11-20T00:00:00Z')).toEqual([
      '2026-08',
      '2026-09',
      '2026-10',
    ]);
  });

  it('hands out a month once however often it fires', () => {
    expect(names('*/5 * * * *', '2026-09-30T23:00:00Z', '2026-12-01T12:00:00Z')).toEqual([
      '2026-09',
      '2026-10',
      '2026-11',
    ]);
    expect(names('0 0 1 1 *', '2026-02-01T00:00:00Z', '2026-12-01T12:00:00Z')).toEqual([]);
  });

  it('fires at the first minute of a month as well', () => {
    expect(names('0 0 1 * *', '2026-10-15T00:00:00Z', '2026-12-02T00:00:00Z')).toEqual([
      '2026-10',
      '2026-11',
    ]);
    expect(names('0 0 1 * *', '2026-10-15T00:00:00Z', '2026-12-02T00:00:00Z', TimeZone.UTC)).toEqual([
      '2026-10',
      '2026-11',
    ]);
  });

  it('crosses the year', () => {
    expect(names('0 6 8 * *', '2026-12-20T00:00:00Z', '2027-01-20T00:00:00Z')).toEqual(['2026-12']);
  });
});
