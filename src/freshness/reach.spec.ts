import { dataThrough, reachOf } from './reach';

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

  it('is always now without a broker, and unknown until a stream has been read', () => {
    const none = { cursors: 0, dataThrough: null };
    expect(dataThrough(none, false, NOW)).toEqual(NOW);
    expect(dataThrough(none, true, NOW)).toBeNull();
    expect(dataThrough({ cursors: 2, dataThrough: ago(7) }, true, NOW)).toEqual(ago(7));
    expect(dataThrough({ cursors: 2, dataThrough: null }, true, NOW)).toBeNull();
  });
});
