import { CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import type { PoolClient } from 'pg';
import { IngestPool } from '../../platform/database/pools';
import {
  isDataError,
  isMissingPartition,
  isTransient,
  isUniqueViolation,
} from '../../platform/database/postgres-errors';
import { StorageEngine } from '../../platform/database/storage-engine';
import { inTransaction, type Unanswered } from '../../platform/database/transaction';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import {
  IngestUsageCommand,
  type IngestResult,
  type UsageBatch,
} from '../../shared/messages/ingest-usage.command';
import { UsageBatchStored } from '../../shared/messages/usage-batch-stored.event';
import { BatchLedger } from '../batch-ledger';
import { decideOutcomes } from '../batch-outcomes';
import { prepareBatch } from '../prepared-batch';
import { toReject } from '../unstorable-events';
import { positionKey, UsageBatchStore } from '../usage-batch.store';

/** More repairs than these cannot be needed for one batch: partitions, expired keys, unstorable events. */
const MAX_REPAIRS = 3;

/** What an earlier attempt at the batch has taught. */
interface Attempt {
  readonly batch: UsageBatch;
  /** Look for events whose keys have expired but which still stand in the table. */
  readonly searchStored: boolean;
}

@CommandHandler(IngestUsageCommand)
export class IngestUsageHandler implements ICommandHandler<IngestUsageCommand> {
  constructor(
    private readonly pool: IngestPool,
    private readonly store: UsageBatchStore,
    private readonly engine: StorageEngine,
    private readonly clock: Clock,
    private readonly eventBus: EventBus,
  ) {}

  async execute({ batch }: IngestUsageCommand): Promise<IngestResult> {
    const startedAt = performance.now();
    try {
      const { outcomes, orgIds, ...counts } = await this.storeRepairing(batch);
      const result: IngestResult = {
        ...counts,
        outcomes: batch.events.map((event) => outcomes.get(event) ?? 'quarantined'),
      };
      const partition = batch.source.kind === 'stream' ? batch.source.partition : 0;
      const seconds = (performance.now() - startedAt) / 1_000;
      this.eventBus.publish(new UsageBatchStored(partition, result, seconds, orgIds));
      return result;
    } catch (error) {
      // A unique violation that stays is a second writer of the same identity, which has won by the next attempt.
      if (!isTransient(error) && !isUniqueViolation(error)) throw error;
      throw new AppError('unavailable', 'The database cannot take the batch now; it will be tried again.', {
        retryAfterSeconds: 1,
        cause: error,
      });
    }
  }

  /**
   * The first attempt assumes the usual case and searches for nothing. What it can run into is told by the database
   * and repaired once each, so the usual batch pays for none of it.
   */
  private async storeRepairing(batch: UsageBatch) {
    let attempt: Attempt = { batch, searchStored: isReread(batch) };
    for (let repairs = 0; ; repairs += 1) {
      try {
        return await inTransaction(this.pool, (client, unanswered) =>
          this.storeOnce(client, attempt, unanswered),
        );
      } catch (error) {
        if (repairs === MAX_REPAIRS) throw error;
        attempt = await this.repaired(attempt, error);
      }
    }
  }

  private async repaired(attempt: Attempt, error: unknown): Promise<Attempt> {
    if (isMissingPartition(error)) {
      await this.engine.prepare(this.clock.now());
      return attempt;
    }
    if (isUniqueViolation(error)) return { ...attempt, searchStored: true };
    if (isDataError(error)) return { ...attempt, batch: await this.withoutUnstorable(attempt.batch, error) };
    throw error;
  }

  /**
   * One transaction: cursor, keys, events, quarantine, ledger. The cursor's row is locked first. Two answers are waited
   * for: what is known, and the commit's.
   */
  private async storeOnce(client: PoolClient, attempt: Attempt, unanswered: Unanswered) {
    const [, , { batch, watermark, prepared, known, stored }] = await Promise.all([
      this.store.takeCursor(client, attempt.batch),
      this.store.lockDayOfArrival(client, attempt.batch.receivedAt),
      this.lookUp(client, attempt),
    ]);
    const { events, rejects, receivedAt } = batch;
    const replay = batch.source.kind === 'stream' && batch.source.replay;
    const ledger = new BatchLedger(watermark);
    const { outcomes, toStore, conflicts } = decideOutcomes(events, prepared.identities, known, stored);
    unanswered.push(
      this.store.claimKeys(client, prepared, known, receivedAt),
      this.store.copyEvents(client, toStore, receivedAt, prepared),
    );
    const kept = await this.store.quarantine(client, batch, conflicts);

    // A part of the stream that is read again counts only what was not there before.
    for (const [index, { offset, index: place, event }] of events.entries()) {
      const outcome = outcomes[index] ?? 'stored';
      if (outcome === 'duplicate' && replay) continue;
      if (outcome === 'conflict' && !kept.has(positionKey(offset, place))) continue;
      ledger.add(outcome, event.orgId, event.occurredAt);
    }
    for (const { offset, index, reject } of rejects) {
      if (!kept.has(positionKey(offset, index))) continue;
      ledger.add('quarantined', reject.orgId, reject.occurredAt);
    }
    unanswered.push(this.store.writeLedger(client, batch, ledger));

    return {
      received: events.length + rejects.length,
      stored: toStore.length,
      duplicates: events.length - toStore.length - conflicts.length,
      conflicts: conflicts.length,
      quarantined: rejects.length,
      late: ledger.late,
      outcomes: new Map(events.map((event, place) => [event, outcomes[place]])),
      orgIds: ledger.orgIds(),
    };
  }

  /**
   * What the batch is held against. Its identities are looked up without waiting for what the watermark's row says:
   * only where that turns events away is the remainder looked up again.
   */
  private async lookUp(client: PoolClient, { batch, searchStored }: Attempt) {
    const held = this.store.holdWatermark(client);
    const [{ watermark, rawFrom }, all] = await Promise.all([held, this.find(client, batch, searchStored)]);
    const admissible = withoutExpired(batch, rawFrom);
    const remaining = admissible === batch ? all : await this.find(client, admissible, searchStored);
    return { batch: admissible, watermark, ...remaining };
  }

  private async find(client: PoolClient, { events, receivedAt }: UsageBatch, searchStored: boolean) {
    const prepared = prepareBatch(events);
    const [known, stored] = await Promise.all([
      this.store.findKnown(client, prepared, receivedAt),
      searchStored ? this.store.findStored(client, prepared) : new Set<number>(),
    ]);
    return { prepared, known, stored };
  }

  /** The same batch with every event that the database cannot store moved to its rejects. */
  private async withoutUnstorable(batch: UsageBatch, error: unknown): Promise<UsageBatch> {
    const unstorable = await inTransaction(this.pool, (client) =>
      this.store.findUnstorable(client, batch.events),
    );
    // The refusal came from elsewhere than the events: moving none of them would repeat it for ever.
    if (unstorable.length === 0) throw error;
    const refused = new Set(unstorable.map(({ offset, index }) => positionKey(offset, index)));
    return {
      ...batch,
      events: batch.events.filter(({ offset, index }) => !refused.has(positionKey(offset, index))),
      rejects: [...batch.rejects, ...unstorable],
    };
  }
}

/** The same batch with every event of a day whose raw data is gone, or about to go, moved to its rejects. */
function withoutExpired(batch: UsageBatch, rawFrom: number): UsageBatch {
  const expired = batch.events.filter(({ event }) => event.occurredAt < rawFrom);
  if (expired.length === 0) return batch;
  const detail = '/occurredAt is before the retention of single events.';
  return {
    ...batch,
    events: batch.events.filter(({ event }) => event.occurredAt >= rawFrom),
    rejects: [...batch.rejects, ...expired.map((event) => toReject(event, 'too_late', detail))],
  };
}

/** Its events may have been stored long ago, and may be older than the late horizon. */
function isReread({ source }: UsageBatch): boolean {
  return source.kind === 'repair' || (source.kind === 'stream' && source.replay);
}
