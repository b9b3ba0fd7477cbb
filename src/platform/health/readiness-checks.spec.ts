import { ReadinessChecks } from './readiness-checks';

describe('a readiness check', () => {
  let now: Date;
  let checks: ReadinessChecks;

  beforeEach(() => {
    now = new Date('2026-11-23T10:00:00Z');
    checks = new ReadinessChecks({ now: () => now });
  });

  it('tells since when it has held or not, through changes of its detail', async () => {
    const down = () => Promise.reject(new Error('RabbitMQ is away.'));
    const first = now;
    expect(await checks.ask('broker', down)).toEqual({
      up: false,
      detail: 'RabbitMQ is away.',
      since: first,
    });
    now = new Date('2026-11-23T10:01:00Z');
    expect(await checks.ask('broker', () => Promise.reject(new Error('Still.')))).toEqual({
      up: false,
      detail: 'Still.',
      since: first,
    });
    expect(await checks.ask('broker', () => 'connected')).toEqual({
      up: true,
      detail: 'connected',
      since: now,
    });
  });

  it('does not hold when it gives no answer within three seconds', async () => {
    jest.useFakeTimers();
    try {
      const answer = checks.ask('database', () => new Promise(() => undefined));
      await jest.advanceTimersByTimeAsync(3_000);
      expect(await answer).toMatchObject({ up: false, detail: 'No answer within 3 s.' });
    } finally {
      jest.useRealTimers();
    }
  });

  it('does not hold once the process stops', async () => {
    checks.stop();
    expect(await checks.ask('database', () => 'postgres')).toMatchObject({
      up: false,
      detail: 'The process is stopping.',
    });
  });
});
