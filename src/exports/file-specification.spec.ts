import fc from 'fast-check';
import { AppError } from '../shared/errors';
import { DAY_MS, HOUR_MS } from '../shared/time-zone';
import { bucketsOf, type FileSpecification, relationOf, specifyFile } from './file-specification';

const NOW = Date.parse('2026-11-08T06:00:00Z');
const RETENTION = { rawRetention: 30 * DAY_MS, retention15min: 90 * DAY_MS, retentionHourly: 396 * DAY_MS };
const NOTHING_DROPPED = { usage_events: -Infinity, usage_15min: -Infinity, usage_hourly: -Infinity };
const NO_FILTERS = { modelIds: [], clientIds: [], statuses: [] };

function asked(start: string, end: string, change: Partial<FileSpecification> = {}): FileSpecification {
  return {
    window: { start: Date.parse(start), end: Date.parse(end) },
    granularity: 'daily',
    timeZone: 'UTC',
    filters: NO_FILTERS,
    format: 'csv',
    focusVersion: null,
    ...change,
  };
}

function refusalOf(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('It was not refused.');
}

describe('what a file is to hold', () => {
  it('covers whole buckets of the time zone', () => {
    const { window } = specifyFile(
      asked('2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z', { timeZone: 'Europe/Berlin' }),
      NOW,
      RETENTION,
      NOTHING_DROPPED,
    );
    expect(new Date(window.start).toISOString()).toBe('2026-10-23T22:00:00.000Z');
    expect(new Date(window.end).toISOString()).toBe('2026-10-25T23:00:00.000Z');
  });

  it('may be a month of 31 days whose clock is set back', () => {
    const month = asked('2026-09-30T22:00:00Z', '2026-10-31T23:00:00Z', { timeZone: 'Europe/Berlin' });
    for (const granularity of ['hourly', 'daily', 'monthly'] as const) {
      const { window } = specifyFile({ ...month, granularity }, NOW, RETENTION, NOTHING_DROPPED);
      expect(window).toEqual(month.window);
      expect((window.end - window.start) / HOUR_MS).toBe(745);
    }
  });

  it('may not be longer than 31 days, and says what it would cover', () => {
    const refusal = refusalOf(() =>
      specifyFile(asked('2026-10-01T12:00:00Z', '2026-11-01T12:00:00Z'), NOW, RETENTION, NOTHING_DROPPED),
    );
    expect(refusal.kind).toBe('invalid');
    expect(refusal.message).toContain('2026-10-01T00:00:00.000Z to 2026-11-02T00:00:00.000Z');
  });

  it.each([
    ['an empty window', asked('2026-10-02T00:00:00Z', '2026-10-02T00:00:00Z'), '/window/end'],
    ['a window in the future', asked('2026-12-01T00:00:00Z', '2026-12-02T00:00:00Z'), '/window/start'],
    [
      'an unknown time zone',
      asked('2026-10-01T00:00:00Z', '2026-10-02T00:00:00Z', { timeZone: '../x' }),
      '/timezone',
    ],
    [
      'FOCUS of single events',
      asked('2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z', { granularity: 'events', format: 'focus' }),
      '/granularity',
    ],
    [
      'rollups by status',
      asked('2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z', {
        filters: { ...NO_FILTERS, statuses: ['error'] },
      }),
      '/filters/statuses',
    ],
  ])('may not have %s', (_, specification, pointer) => {
    const refusal = refusalOf(() => specifyFile(specification, NOW, RETENTION, NOTHING_DROPPED));
    expect(refusal.kind).toBe('invalid');
    expect(refusal.violations[0]?.pointer).toBe(pointer);
  });

  it.each([
    ['single events', asked('2026-10-08T00:00:00Z', '2026-10-10T00:00:00Z', { granularity: 'events' }), 30],
    [
      'buckets of half hours',
      asked('2026-08-01T18:30:00Z', '2026-08-02T18:30:00Z', { timeZone: 'Asia/Kolkata' }),
      90,
    ],
    ['hours', asked('2025-09-01T00:00:00Z', '2025-09-02T00:00:00Z'), 396],
  ])('may not have %s that are no longer kept', (_, specification, days) => {
    const refusal = refusalOf(() => specifyFile(specification, NOW, RETENTION, NOTHING_DROPPED));
    expect(refusal.kind).toBe('unanswerable');
    expect(refusal.message).toContain(`kept from ${new Date(NOW - days * DAY_MS).toISOString()} on`);
  });

  it('may not begin before what a shorter retention has dropped', () => {
    const half = asked('2026-10-10T18:30:00Z', '2026-10-12T18:30:00Z', { timeZone: 'Asia/Kolkata' });
    const kept = { ...NOTHING_DROPPED, usage_15min: Date.parse('2026-10-11T00:00:00Z') };
    expect(refusalOf(() => specifyFile(half, NOW, RETENTION, kept)).message).toContain(
      'kept from 2026-10-11T00:00:00.000Z on',
    );
    expect(specifyFile({ ...half, timeZone: 'UTC' }, NOW, RETENTION, kept).granularity).toBe('daily');
  });

  it('is single events of exactly the window that was asked for', () => {
    const events = asked('2026-11-01T00:00:00.123Z', '2026-11-01T00:00:00.456Z', { granularity: 'events' });
    expect(specifyFile(events, NOW, RETENTION, NOTHING_DROPPED).window).toEqual(events.window);
    expect(bucketsOf(events)).toBeNull();
  });

  it('follows FOCUS 1.4 unless 1.2 is asked for', () => {
    const window = ['2026-10-01T00:00:00Z', '2026-10-02T00:00:00Z'] as const;
    expect(
      specifyFile(asked(...window, { format: 'focus' }), NOW, RETENTION, NOTHING_DROPPED).focusVersion,
    ).toBe('1.4');
    expect(
      specifyFile(asked(...window, { format: 'focus', focusVersion: '1.2' }), NOW, RETENTION, NOTHING_DROPPED)
        .focusVersion,
    ).toBe('1.2');
    expect(
      specifyFile(asked(...window, { focusVersion: '1.2' }), NOW, RETENTION, NOTHING_DROPPED).focusVersion,
    ).toBeNull();
  });

  it('is read from a relation of which every bucket lies in one of its own', () => {
    const grain = { usage_hourly: HOUR_MS, usage_15min: HOUR_MS / 4 };
    fc.assert(
      fc.property(
        fc.constantFrom(
          'UTC',
          'Europe/Berlin',
          'Asia/Kolkata',
          'Asia/Kathmandu',
          'Australia/Lord_Howe',
          'America/St_Johns',
        ),
        fc.constantFrom('hourly' as const, 'daily' as const, 'monthly' as const),
        fc.integer({ min: NOW - 80 * DAY_MS, max: NOW - 40 * DAY_MS }),
        (timeZone, granularity, start) => {
          const file = {
            ...asked('2026-10-01', '2026-10-02', { timeZone, granularity }),
            window: { start, end: start + 1 },
          };
          const { window } = specifyFile(
            file,
            NOW,
            { ...RETENTION, retention15min: 396 * DAY_MS },
            NOTHING_DROPPED,
          );
          const buckets = bucketsOf({ ...file, window });
          if (!buckets) throw new Error('There are buckets.');
          expect([buckets.start, buckets.end]).toEqual([window.start, window.end]);
          const unit = grain[relationOf(buckets)];
          for (const boundary of [...buckets.starts, buckets.end]) expect(boundary % unit).toBe(0);
        },
      ),
    );
  });
});
