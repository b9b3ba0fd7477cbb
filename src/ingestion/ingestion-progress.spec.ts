import { IngestionProgress } from './ingestion-progress';

const SECOND = 1_000;

describe('the progress of ingestion', () => {
  let progress: IngestionProgress;

  beforeEach(() => {
    jest.useFakeTimers({ now: new Date('2026-11-23T10:00:00Z') });
    progress = new IngestionProgress();
  });
  afterEach(() => jest.useRealTimers());

  const wait = (ms: number) => jest.advanceTimersByTime(ms);

  it('says which partitions are read', () => {
    expect(progress.assertProgress()).toBe('owns no partition');
    for (const partition of [10, 2]) progress.owned(partition);
    expect(progress.assertProgress()).toBe('reads partition 2, 10');
  });

  it('is none when there is a backlog and no commit for more than a minute', () => {
    progress.owned(3);
    progress.measured(3, 7_000);
    wait(60 * SECOND);
    expect(progress.assertProgress()).toBe('reads partition 3');
    wait(SECOND);
    expect(() => progress.assertProgress()).toThrow(
      'Partition 3 has 7000 messages behind it and no commit for 61 s.',
    );
    progress.committed(3, Date.now());
    expect(progress.assertProgress()).toBe('reads partition 3');
  });

  it('needs no commits while there is nothing to commit', () => {
    progress.owned(0);
    progress.measured(0, 0);
    wait(3_600 * SECOND);
    expect(progress.assertProgress()).toBe('reads partition 0');
  });

  it('is not begun anew by a session that begins anew', () => {
    progress.owned(0);
    progress.measured(0, 1);
    wait(40 * SECOND);
    progress.owned(0);
    wait(30 * SECOND);
    expect(() => progress.assertProgress()).toThrow('no commit for 70 s');
  });

  it('is none while a batch cannot be committed, for the reason that is known', () => {
    progress.owned(0);
    progress.failing(0, 'The database cannot take the batch now.');
    expect(() => progress.assertProgress()).toThrow(
      'Partition 0 commits nothing: The database cannot take the batch now.',
    );
    progress.committed(0, null);
    expect(progress.assertProgress()).toBe('reads partition 0');
  });

  it.each([
    ['is read again from the cursor', () => progress.owned(0)],
    ['turns out to be committed', () => progress.completeThrough(0, Date.now())],
  ])('is there again when what could not be committed %s', (_, happen) => {
    progress.owned(0);
    progress.failing(0, 'The database cannot take the batch now.');
    happen();
    expect(progress.assertProgress()).toBe('reads partition 0');
  });

  it('of a partition that was given up has no meaning any more, however late it is told', () => {
    progress.owned(0);
    progress.measured(0, 5);
    progress.released(0);
    progress.failing(0, 'too late');
    progress.committed(0, 1);
    progress.measured(0, 9);
    wait(120 * SECOND);
    expect(progress.all()).toEqual([]);
    expect(progress.assertProgress()).toBe('owns no partition');
  });

  describe('reaches', () => {
    const reach = () => progress.all()[0]?.dataThrough;
    beforeEach(() => progress.owned(0));

    it('the latest event that was committed, also when later batches hold older ones or none', () => {
      expect(reach()).toBeNull();
      progress.committed(0, null);
      expect(reach()).toBeNull();
      progress.committed(0, 5_000);
      progress.committed(0, 3_000);
      progress.committed(0, null);
      expect(reach()).toBe(5_000);
    });

    it('what the cursor says before anything is committed here', () => {
      progress.owned(1, new Date(5_000));
      expect(progress.all()[1]?.dataThrough).toBe(5_000);
      progress.committed(1, 4_000);
      expect(progress.all()[1]?.dataThrough).toBe(5_000);
    });

    it('the instant at which all of the stream was committed, though a producer’s clock was ahead of it', () => {
      progress.committed(0, 90_000);
      progress.completeThrough(0, 60_000);
      expect(reach()).toBe(60_000);
    });
  });
});
