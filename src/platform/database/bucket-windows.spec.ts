import fc from 'fast-check';
import { bucketWindows, DAY_MS, HOUR_MS, QUARTER_HOUR_MS } from './bucket-windows';

const MINUTE_MS = 60_000;
const instant = fc.integer({ min: 0, max: 4 * 24 * 60 }).map((minutes) => new Date(minutes * MINUTE_MS));
const windows = fc.array(
  fc.tuple(instant, instant).map(([start, end]) => ({ start, end })),
  { maxLength: 8 },
);

describe('the windows of a refresh', () => {
  it('are exactly the buckets that are touched and lie whole within the bounds', () => {
    fc.assert(
      fc.property(
        windows,
        fc.constantFrom(QUARTER_HOUR_MS, HOUR_MS, DAY_MS),
        fc.option(instant),
        instant,
        (touched, bucketMs, from, through) => {
          const covered = new Set<number>();
          let previousEnd = -Infinity;
          for (const { start, end } of bucketWindows(touched, bucketMs, { from, through })) {
            expect(start.getTime()).toBeGreaterThan(previousEnd);
            previousEnd = end.getTime();
            for (let bucket = start.getTime(); bucket < end.getTime(); bucket += bucketMs)
              covered.add(bucket);
          }
          for (let bucket = 0; bucket < 5 * DAY_MS; bucket += bucketMs) {
            const isTouched = touched.some(
              ({ start, end }) =>
                start < end && start.getTime() < bucket + bucketMs && end.getTime() > bucket,
            );
            const isWhole = bucket >= (from?.getTime() ?? 0) && bucket + bucketMs <= through.getTime();
            expect(covered.has(bucket)).toBe(isTouched && isWhole);
          }
        },
      ),
    );
  });

  it('are none before anything is materialised', () => {
    const day = { start: new Date(0), end: new Date(DAY_MS) };
    expect(bucketWindows([day], HOUR_MS, { from: null, through: null })).toEqual([]);
  });
});
