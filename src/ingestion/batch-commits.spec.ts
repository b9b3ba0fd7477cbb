import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { streamBatch, usageEvent } from '../../test/support/usage-events';
import { AppError } from '../shared/errors';
import { type IngestResult, PartitionLostError } from '../shared/messages/ingest-usage.command';
import { BatchCommits, pauseAfter } from './batch-commits';
import { IngestionProgress } from './ingestion-progress';

const AWAY = new AppError('unavailable', 'The database cannot take the batch now.');
const RESULT = { stored: 1 } as IngestResult;

describe('the commits of a partition', () => {
  const batch = streamBatch([usageEvent()]);
  let attempts: number;
  let failures: Error[];
  let givenUp: boolean;
  let stopping: AbortController;
  let progress: IngestionProgress;
  let commits: BatchCommits;
  let lines: string[];

  beforeEach(() => {
    [attempts, failures, givenUp, lines] = [0, [], false, []];
    stopping = new AbortController();
    progress = new IngestionProgress();
    progress.owned(0);
    const ingest = (): Promise<IngestResult> => {
      attempts += 1;
      const failure = failures.shift();
      return failure ? Promise.reject(failure) : Promise.resolve(RESULT);
    };
    commits = new BatchCommits(0, ingest, progress, stopping.signal);
    for (const level of ['warn', 'error'] as const)
      jest.spyOn(Logger.prototype, level).mockImplementation(() => void lines.push(level));
  });
  afterEach(() => jest.restoreAllMocks());

  const commit = () => commits.commit(batch, () => givenUp).catch((error: unknown) => error);

  it('try the same batch again until it is stored, and say so once', async () => {
    failures = [AWAY, AWAY, AWAY];
    const committed = commit();
    await sleep(20);
    expect(() => progress.assertProgress()).toThrow('commits nothing: The database cannot take');
    expect(await committed).toBe(RESULT);
    expect(attempts).toBe(4);
    expect(lines).toEqual(['warn']);
    expect(progress.assertProgress()).toBe('reads partition 0');
  });

  it('try again what fails for a reason that nobody foresaw, too, and say so each time', async () => {
    failures = [new TypeError('a mistake'), new TypeError('a mistake')];
    expect(await commit()).toBe(RESULT);
    expect(lines).toEqual(['error', 'error']);
  });

  it('end at once when the partition is another replica’s', async () => {
    const lost = new PartitionLostError(0);
    failures = [lost];
    expect(await commit()).toBe(lost);
    expect(attempts).toBe(1);
  });

  it('end with the failure when the batch does not count any more', async () => {
    failures = [AWAY, AWAY, AWAY];
    const committed = commit();
    await sleep(20);
    givenUp = true;
    expect(await committed).toBe(AWAY);
    expect(attempts).toBe(2);
  });

  it('do not sit out their pause when the process stops', async () => {
    failures = Array.from({ length: 20 }, () => AWAY);
    const committed = commit();
    while (attempts < 4) await sleep(10);
    const askedAt = Date.now();
    givenUp = true;
    stopping.abort();
    expect(await committed).toBe(AWAY);
    // The shortest pause after the fourth attempt is 400 ms.
    expect(Date.now() - askedAt).toBeLessThan(200);
    expect(attempts).toBe(5);
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
