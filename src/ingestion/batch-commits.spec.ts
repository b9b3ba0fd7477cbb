import { Logger } from '@nestjs/common';
import { streamBatch, usageEvent } from '../../test/support/usage-events';
import { AppError } from '../shared/errors';
import {
  type IngestResult,
  PartitionLostError,
  type UsageBatch,
} from '../shared/messages/ingest-usage.command';
import { BatchCommits, pauseAfter } from './batch-commits';
import { IngestionProgress } from './ingestion-progress';

jest.mock('node:timers/promises', () => ({
  setTimeout: jest.requireActual<typeof import('../../test/model/modelled-sleep')>(
    '../../test/model/modelled-sleep',
  ).sleep,
}));

const NOW = new Date('2026-11-23T10:00:00Z');
const AWAY = new AppError('unavailable', 'The database cannot take the batch now.');
const RESULT = { stored: 1 } as IngestResult;

describe('the commits of a partition', () => {
  let batch: UsageBatch;
  let attempts: number;
  let arrivals: Date[];
  let failures: unknown[];
  let givenUp: boolean;
  let stopping: AbortController;
  let progress: IngestionProgress;
  let commits: BatchCommits;
  let lines: unknown[][];

  beforeEach(() => {
    jest.useFakeTimers({ now: NOW });
    jest.spyOn(Math, 'random').mockReturnValue(1);
    [attempts, arrivals, failures, givenUp, lines] = [0, [], [], false, []];
    batch = streamBatch([usageEvent(), usageEvent()], { firstOffset: 7 });
    stopping = new AbortController();
    progress = new IngestionProgress();
    progress.owned(0);
    const ingest = ({ receivedAt }: UsageBatch): Promise<IngestResult> => {
      attempts += 1;
      arrivals.push(receivedAt);
      return failures.length > 0
        ? jest.fn<Promise<IngestResult>, []>().mockRejectedValue(failures.shift())()
        : Promise.resolve(RESULT);
    };
    commits = new BatchCommits(0, ingest, progress, stopping.signal);
    for (const level of ['debug', 'warn', 'error'] as const)
      jest.spyOn(Logger.prototype, level).mockImplementation((...line: unknown[]) => void lines.push([level, ...line])); // prettier-ignore
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const commit = () => commits.commit(batch, () => givenUp).catch((error: unknown) => error);
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  const complaints = () => lines.filter(([level]) => level !== 'debug');

  it('try the same batch again until it is stored, after longer and longer pauses, and say so once', async () => {
    failures = [AWAY, AWAY, AWAY];
    const committed = commit();
    await pass(99);
    expect(attempts).toBe(1);
    expect(() => progress.assertProgress()).toThrow('commits nothing: The database cannot take');
    for (const [ms, made] of [
      [1, 2],
      [199, 2],
      [1, 3],
      [399, 3],
      [1, 4],
    ] as const) {
      await pass(ms);
      expect(attempts).toBe(made);
    }
    expect(await committed).toBe(RESULT);
    const context = { err: AWAY, partition: 0, offset: 7 };
    expect(complaints()).toEqual([['warn', context, 'A batch cannot be committed now, trying it again']]);
    expect(progress.assertProgress()).toBe('reads partition 0');
  });

  it('try again what fails for a reason that nobody foresaw, too, and say so each time', async () => {
    const refusal = new AppError('invalid', 'Not so.');
    failures = [new TypeError('a mistake'), refusal, 'no error at all'];
    const committed = commit();
    await pass(300);
    expect(() => progress.assertProgress()).toThrow('Partition 0 commits nothing: no error at all');
    await pass(10_000);
    expect(await committed).toBe(RESULT);
    expect(complaints()).toEqual(
      [new TypeError('a mistake'), refusal, 'no error at all'].map((err) => [
        'error',
        { err, partition: 0, offset: 7 },
        'A batch fails for a reason nobody foresaw, trying it again',
      ]),
    );
  });

  it('give the batch the time of each attempt as its arrival: a database can be away for days', async () => {
    failures = [AWAY];
    const committed = commit();
    await pass(1);
    const dayAfter = new Date(NOW.getTime() + 86_400_000);
    jest.setSystemTime(dayAfter);
    await pass(99);
    await committed;
    expect(arrivals.map((arrival) => arrival.toISOString().slice(0, 10))).toEqual([
      '2026-11-23',
      '2026-11-24',
    ]);
  });

  it('end at once when the partition is another replica’s', async () => {
    const lost = new PartitionLostError(0);
    failures = [lost];
    expect(await commit()).toBe(lost);
    expect(attempts).toBe(1);
    expect(lines).toEqual([]);
  });

  it('end with the failure when the batch does not count any more', async () => {
    failures = [AWAY, AWAY, AWAY];
    const committed = commit();
    await pass(1);
    givenUp = true;
    await pass(1_000);
    expect(await committed).toBe(AWAY);
    expect(attempts).toBe(2);
  });

  it('do not sit out their pause when the process stops', async () => {
    failures = Array.from({ length: 20 }, () => AWAY);
    const committed = commit();
    await pass(10_000);
    const before = attempts;
    givenUp = true;
    stopping.abort();
    // No timer goes on from here.
    expect(await committed).toBe(AWAY);
    expect(attempts).toBe(before + 1);
  });

  it('are told with the place of the batch and who published it', async () => {
    batch = { ...batch, publishers: ['00-aaaa-bb-01', '00-cccc-dd-01'] };
    await commit();
    expect(lines).toEqual([
      [
        'debug',
        { partition: 0, firstOffset: 7, lastOffset: 8, events: 2, publishedBy: ['aaaa', 'cccc'] },
        'Stored a batch',
      ],
    ]);
    batch = { ...streamBatch([usageEvent()]), source: { kind: 'direct' } };
    failures = [AWAY];
    const committed = commit();
    await pass(100);
    await committed;
    expect(lines.slice(1)).toEqual([
      ['warn', { err: AWAY, partition: 0, offset: undefined }, expect.any(String)],
      ['debug', { partition: 0, events: 1, publishedBy: [] }, 'Stored a batch'],
    ]);
  });

  it('make known how far data are there: to the latest event of the batch, and no further for one without events', async () => {
    const at = (second: number) =>
      usageEvent({ occurredAt: new Date(NOW.getTime() + second * 1_000).toISOString() });
    batch = streamBatch([Buffer.from('{"poison":')]);
    await commit();
    expect(progress.all()).toMatchObject([{ dataThrough: null }]);
    batch = streamBatch([at(-3), at(-1), at(-2)]);
    await commit();
    expect(progress.all()).toMatchObject([{ dataThrough: NOW.getTime() - 1_000 }]);
    batch = streamBatch([Buffer.from('{"poison":')]);
    await commit();
    expect(progress.all()).toMatchObject([{ dataThrough: NOW.getTime() - 1_000, failing: null }]);
  });
});

describe('the pause after a failed commit', () => {
  it('doubles from a tenth of a second up to ten seconds', () => {
    const longest = () => 1;
    expect([0, 1, 2, 6, 7, 1_000].map((attempt) => pauseAfter(attempt, longest))).toEqual([
      100, 200, 400, 6_400, 10_000, 10_000,
    ]);
  });

  it('is shortened at random by up to a half, so that replicas do not come all at once', () => {
    expect(pauseAfter(3, () => 0)).toBe(400);
  });
});
