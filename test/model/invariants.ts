import type { LedgerCounts, Tables } from './memory-database';
import type { MemoryStream } from './memory-stream';

/** What does not hold although it must after every commit, in words. */
export function conservation(tables: Tables, streams: readonly MemoryStream[], clockSetAt: number): string[] {
  const violations: string[] = [];
  const [byHour, byBatch] = [sumOf([...tables.ledger.values()]), sumOf(tables.batches)];
  if (byHour.stored !== tables.events.size || byBatch.stored !== tables.events.size)
    violations.push(
      `${tables.events.size} events are stored, the ledger says ${byHour.stored} and ${byBatch.stored}`,
    );
  const kept = byBatch.conflicts + byBatch.quarantined;
  if (kept !== tables.quarantine.size)
    violations.push(`${tables.quarantine.size} rows are quarantined, the ledger says ${kept}`);
  const identities = new Set([...tables.events.values()].map(({ orgId, eventId }) => `${orgId}/${eventId}`));
  if (identities.size !== tables.events.size) violations.push('An identity is stored twice');
  for (const [partition, stream] of streams.entries()) {
    const cursor = tables.cursors.get(partition);
    if (!cursor) continue;
    for (const { offset, confirmedAt } of stream.published) {
      const isThere = tables.places.has(`${partition}/${offset}`);
      const isNoted = tables.gaps.some((gap) => gap.partition === partition && offset >= gap.from && offset < gap.to); // prettier-ignore
      if (isThere || isNoted) continue;
      if (offset < cursor.nextOffset) violations.push(`${partition}/${offset} is passed over in silence`);
      // Instants from before the clock was set cannot be compared with those after.
      if (confirmedAt >= clockSetAt && confirmedAt < cursor.dataThrough)
        violations.push(`${partition}/${offset} is told to be counted and is not`);
    }
  }
  return violations;
}

function sumOf(counts: readonly LedgerCounts[]): LedgerCounts {
  const sum = { stored: 0, duplicates: 0, conflicts: 0, quarantined: 0 };
  for (const each of counts) {
    sum.stored += each.stored;
    sum.duplicates += each.duplicates;
    sum.conflicts += each.conflicts;
    sum.quarantined += each.quarantined;
  }
  return sum;
}

export function totalOf(tables: Tables): number {
  const { stored, duplicates, conflicts, quarantined } = sumOf(tables.batches);
  return stored + duplicates + conflicts + quarantined;
}
