import { MINUTE_MS } from '../shared/time-zone';
import { dataThrough, isPastLateEvents, reachOf } from './reach';

const NOW = new Date('2026-11-05T12:00:00Z');
const LIMITS = { freshWithin: 300_000, delayedWithin: 600_000 };
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000);

describe('reach of the data', () => {
  it.each([
    [0, 'fresh'],
    [300, 'fresh'],
    [300.001, 'delayed'],
    [600, 'delayed'],
    [600.001, 'stale'],
  ])('%d s behind is %s', (seconds, status) => {
    expect(reachOf(ago(seconds), LIMITS, NOW)).toMatchObject({ lagSeconds: seconds, status });
  });

  it('is not negative when clocks differ, and stale before the first event', () => {
    expect(reachOf(ago(-2), LIMITS, NOW)).toMatchObject({ lagSeconds: 0, status: 'fresh' });
    expect(reachOf(null, LIMITS, NOW)).toEqual({ dataThrough: null, lagSeconds: null, status: 'stale' });
  });

  it('is always now without a broker, and unknown until every stream has been read', () => {
    const none = { cursors: 0, dataThrough: null };
    const streams = { hasBroker: true, partitions: 2 };
    expect(dataThrough(none, { hasBroker: false, partitions: 2 }, NOW)).toEqual(NOW);
    expect(dataThrough(none, streams, NOW)).toBeNull();
    expect(dataThrough({ cursors: 2, dataThrough: ago(7) }, streams, NOW)).toEqual(ago(7));
    expect(dataThrough({ cursors: 2, dataThrough: null }, streams, NOW)).toBeNull();
    expect(dataThrough({ cursors: 1, dataThrough: ago(7) }, streams, NOW)).toBeNull();
  });

  it('decides from when on no late event can come any more, whatever time it is', () => {
    const lateHorizon = 7 * 86_400_000;
    const settled = (through: Date) => through.getTime() - lateHorizon - 5 * MINUTE_MS;
    for (const through of [NOW, ago(5 * 3_600)]) {
      expect(isPastLateEvents(settled(through), { through, now: NOW, lateHorizon })).toBe(true);
      expect(isPastLateEvents(settled(through) + 1, { through, now: NOW, lateHorizon })).toBe(false);
    }
    // The database's clock may be ahead of ours.
    expect(isPastLateEvents(settled(NOW) + 1, { through: ago(-60), now: NOW, lateHorizon })).toBe(false);
    expect(isPastLateEvents(0, { through: null, now: NOW, lateHorizon })).toBe(false);
  });
});
