import type { PoolClient } from 'pg';
import type { BatchLedger } from '../../src/ingestion/batch-ledger';
import type { BatchOutcomes } from '../../src/ingestion/batch-outcomes';
import type { PreparedBatch } from '../../src/ingestion/prepared-batch';
import { positionKey, UsageBatchStore } from '../../src/ingestion/usage-batch.store';
import type { Config } from '../../src/platform/config/config';
import { PartitionLostError, type UsageBatch } from '../../src/shared/messages/ingest-usage.command';
import type { UsageEvent } from '../../src/shared/usage-event/usage-event';
import type { MemoryClient, Tables, Transaction } from './memory-database';

const DAY_MS = 86_400_000;

/** As PostgreSQL says it. */
function uniqueViolation(): Error {
  return Object.assign(new Error('duplicate key value'), { code: '23505', severity: 'ERROR' });
}

function identityOf({ orgId, eventId }: UsageEvent): string {
  return `${orgId}/${eventId}`;
}

function rowOf(event: UsageEvent): string {
  return `${identityOf(event)}/${event.occurredAt}`;
}

/** The statements of the ingestion transaction on tables in memory: what each of the SQL files promises. */
export class MemoryStore extends UsageBatchStore {
  constructor(
    config: Config,
    private readonly dedupeWindow: number,
  ) {
    super(config);
  }

  override takeCursor(client: PoolClient, { source, events, rejects }: UsageBatch): Promise<void> {
    if (source.kind !== 'stream') throw new Error('Only streams are modelled.');
    const { partition, epoch, expectedOffset, lastOffset, lastMessageHash } = source;
    return statement(client, 'take cursor', async (tables, transaction) => {
      await memory(client).database.lock(`cursor ${partition}`, transaction);
      const cursor = tables.cursors.get(partition);
      if (cursor?.epoch !== epoch || cursor.nextOffset !== expectedOffset)
        throw new PartitionLostError(partition);
      const latest = Math.max(...events.map(({ event }) => event.occurredAt), -Infinity);
      const now = Date.now();
      transaction.writes.push(() => {
        cursor.nextOffset = lastOffset + 1;
        cursor.lastMessageHash = lastMessageHash;
        cursor.dataThrough = Math.max(cursor.dataThrough, Math.min(now, latest));
        for (const { offset } of [...events, ...rejects]) tables.places.add(`${partition}/${offset}`);
      });
    });
  }

  override lockDayOfArrival(client: PoolClient, receivedAt: Date): Promise<void> {
    return statement(client, 'lock day', (_, transaction) =>
      memory(client).database.lockDay(dayOf(receivedAt.getTime()), transaction),
    );
  }

  override holdWatermark(): Promise<{ watermark: number; rawFrom: number }> {
    return Promise.resolve({ watermark: -Infinity, rawFrom: -Infinity });
  }

  override findKnown(
    client: PoolClient,
    { firsts }: PreparedBatch,
    receivedAt: Date,
  ): Promise<Map<number, string>> {
    return statement(client, 'find known', (tables) => {
      const from = dayOf(receivedAt.getTime() - this.dedupeWindow);
      const keyOf = (event: UsageEvent) =>
        tables.keys.get(identityOf(event))?.find(({ arrivedOn }) => arrivedOn >= from);
      const known = firsts.map((event, place) => [place, keyOf(event)?.hash] as const);
      return new Map(known.filter((each): each is [number, string] => each[1] !== undefined));
    });
  }

  override claimKeys(
    client: PoolClient,
    { firsts }: PreparedBatch,
    known: ReadonlyMap<number, string>,
    receivedAt: Date,
  ): Promise<void> {
    return statement(client, 'claim keys', async (tables, transaction) => {
      const arrivedOn = dayOf(receivedAt.getTime());
      for (const event of firsts.filter((_, place) => !known.has(place))) {
        const identity = identityOf(event);
        await memory(client).database.lock(`key ${identity}/${arrivedOn}`, transaction);
        const keys = tables.keys.get(identity) ?? [];
        if (keys.some((each) => each.arrivedOn === arrivedOn)) throw uniqueViolation();
        transaction.writes.push(() => {
          tables.keys.set(identity, [{ hash: event.payloadHash, arrivedOn }, ...keys]);
        });
      }
    });
  }

  override findStored(client: PoolClient, { firsts }: PreparedBatch): Promise<Set<number>> {
    return statement(client, 'find stored', (tables) => {
      const stored = (event: UsageEvent) => tables.events.has(rowOf(event));
      return new Set(firsts.flatMap((event, place) => (stored(event) ? [place] : [])));
    });
  }

  override copyEvents(client: PoolClient, events: readonly UsageEvent[]): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    return statement(client, 'copy', async (tables, transaction) => {
      for (const event of events) {
        await memory(client).database.lock(`event ${rowOf(event)}`, transaction);
        if (tables.events.has(rowOf(event))) throw uniqueViolation();
        transaction.writes.push(() => tables.events.set(rowOf(event), event));
      }
    });
  }

  override quarantine(
    client: PoolClient,
    { source, rejects }: UsageBatch,
    conflicts: BatchOutcomes['conflicts'],
  ): Promise<Set<string>> {
    const kept = new Set<string>();
    const rows = [...rejects, ...conflicts];
    if (rows.length === 0) return Promise.resolve(kept);
    return statement(client, 'quarantine', (tables, transaction) => {
      const partition = source.kind === 'stream' ? source.partition : 0;
      for (const { offset, index } of rows) {
        const position = `${partition}/${positionKey(offset, index)}`;
        if (tables.quarantine.has(position)) continue;
        kept.add(positionKey(offset, index));
        transaction.writes.push(() => tables.quarantine.add(position));
      }
      return kept;
    });
  }

  override writeLedger(client: PoolClient, { source }: UsageBatch, ledger: BatchLedger): Promise<void> {
    return statement(client, 'ledger', (tables, transaction) => {
      const [orgs, hours, ...counts] = ledger.ledgerColumns() as [string[], Date[], ...number[][]];
      const { stored, duplicate: duplicates, conflict: conflicts, quarantined } = ledger.totals;
      transaction.writes.push(() => {
        for (const [index, org] of orgs.entries()) addTo(tables, `${org}/${hours[index]?.getTime()}`, counts.map((column) => column[index] ?? 0)); // prettier-ignore
        if (source.kind !== 'stream') return;
        const { partition, lastOffset } = source;
        tables.batches.push({ partition, lastOffset, stored, duplicates, conflicts, quarantined });
      });
    });
  }
}

function addTo({ ledger }: Tables, key: string, counts: readonly number[]): void {
  const [stored = 0, duplicates = 0, conflicts = 0, quarantined = 0] = counts;
  const row = ledger.get(key) ?? { stored: 0, duplicates: 0, conflicts: 0, quarantined: 0 };
  row.stored += stored;
  row.duplicates += duplicates;
  row.conflicts += conflicts;
  row.quarantined += quarantined;
  ledger.set(key, row);
}

function memory(client: PoolClient): MemoryClient {
  return client as unknown as MemoryClient;
}

/** One statement, when it is its turn and those before it on its connection are done. */
function statement<Result>(
  client: PoolClient,
  label: string,
  work: (tables: Tables, transaction: Transaction) => Result | Promise<Result>,
): Promise<Result> {
  return memory(client).inOrder(label, (transaction) => work(memory(client).database.tables, transaction));
}

function dayOf(instant: number): number {
  return Math.floor(instant / DAY_MS);
}
