import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { AppError } from '../shared/errors';
import {
  type IngestResult,
  PartitionLostError,
  type UsageBatch,
} from '../shared/messages/ingest-usage.command';
import type { IngestionProgress } from './ingestion-progress';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Pause before the next attempt, in milliseconds: doubles up to 10 s, shortened at random by up to a half. */
export function pauseAfter(attempt: number, random = Math.random): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10)) * (0.5 + random() / 2);
}

/** Commits the batches of one partition: each again and again until it is stored. */
export class BatchCommits {
  private readonly logger = new Logger(BatchCommits.name);

  constructor(
    private readonly partition: number,
    private readonly ingest: (batch: UsageBatch) => Promise<IngestResult>,
    private readonly progress: IngestionProgress,
    private readonly stopping: AbortSignal,
  ) {}

  /**
   * Nothing is skipped, quarantined or acknowledged because a commit fails. Throws only `PartitionLostError`, or the
   * last failure once `isGivenUp`: then the batch will be read again from the cursor.
   */
  async commit(batch: UsageBatch, isGivenUp: () => boolean): Promise<IngestResult> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        // Keys belong to the day of the attempt: with the day of the first one they would be looked for, and expire, too early.
        const result = await this.ingest({ ...batch, receivedAt: new Date() });
        this.progress.committed(this.partition, latestOf(batch));
        this.logger.debug(this.describe(batch), 'Stored a batch');
        return result;
      } catch (error) {
        if (error instanceof PartitionLostError || isGivenUp()) throw error;
        this.tell(error, batch, attempt);
      }
      await sleep(pauseAfter(attempt), undefined, { signal: this.stopping }).catch(() => undefined);
    }
  }

  /** `publishedBy`: trace ids of those whose events are in it, where traces are recorded. */
  private describe({ source, events, publishers = [] }: UsageBatch): object {
    const offsets =
      source.kind === 'stream' ? { firstOffset: source.firstOffset, lastOffset: source.lastOffset } : {};
    const publishedBy = publishers.map((traceparent) => traceparent.split('-')[1]);
    return { partition: this.partition, ...offsets, events: events.length, publishedBy };
  }

  private tell(error: unknown, { source }: UsageBatch, attempt: number): void {
    this.progress.failing(this.partition, error instanceof Error ? error.message : String(error));
    const offset = source.kind === 'stream' ? source.firstOffset : undefined;
    const context = { err: error, partition: this.partition, offset };
    if (!(error instanceof AppError && error.kind === 'unavailable')) {
      this.logger.error(context, 'A batch fails for a reason nobody foresaw, trying it again');
    } else if (attempt === 0) {
      this.logger.warn(context, 'A batch cannot be committed now, trying it again');
    }
  }
}

/** When the latest event of the batch occurred, milliseconds since the epoch. */
function latestOf({ events }: UsageBatch): number | null {
  if (events.length === 0) return null;
  return events.reduce((latest, { event }) => Math.max(latest, event.occurredAt), -Infinity);
}
