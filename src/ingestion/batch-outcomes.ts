import type { EventOutcome } from '../shared/messages/ingest-usage.command';
import type { PositionedEvent, UsageEvent } from '../shared/usage-event/usage-event';

/** The identities of a batch, each with the index of the first event that carries it, in the order of the identity. */
export interface BatchIdentities {
  readonly firstIndexes: readonly number[];
  /** For each event of the batch, the place of its identity in `firstIndexes`. */
  readonly identityOf: Uint32Array;
}

/** Ordered by organisation, then event: writers claim in one order, and rows of an organisation lie together. */
export function identitiesOf(events: readonly PositionedEvent[]): BatchIdentities {
  const indexesByOrg = new Map<string, number[]>();
  for (const [index, { event }] of events.entries()) {
    const indexes = indexesByOrg.get(event.orgId);
    if (indexes) indexes.push(index);
    else indexesByOrg.set(event.orgId, [index]);
  }
  const eventIdOf = (index: number): string => (events[index] as PositionedEvent).event.eventId;
  // Time-ordered ids are nearly sorted by then. Equal ones stay in the order of the batch.
  const byEventId = (a: number, b: number): number => {
    const [left, right] = [eventIdOf(a), eventIdOf(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
  const firstIndexes: number[] = [];
  const identityOf = new Uint32Array(events.length);
  for (const orgId of [...indexesByOrg.keys()].sort()) {
    let last: string | undefined;
    for (const index of (indexesByOrg.get(orgId) as number[]).sort(byEventId)) {
      const eventId = eventIdOf(index);
      if (eventId !== last) firstIndexes.push(index);
      identityOf[index] = firstIndexes.length - 1;
      last = eventId;
    }
  }
  return { firstIndexes, identityOf };
}

/** What becomes of each event, and of which stored payload a conflict is one. */
export interface BatchOutcomes {
  readonly outcomes: readonly EventOutcome[];
  /** In the order of the identities. */
  readonly toStore: readonly UsageEvent[];
  readonly conflicts: readonly (PositionedEvent & { readonly storedPayloadHash: string })[];
}

/**
 * Decides by identity: what is neither known nor stored already is stored once; the same payload again is a
 * `duplicate`; another payload under the same identity is a `conflict`. `knownHashes` maps places of identities to the
 * payload hash they were stored with; `alreadyStored` holds places whose event stands in the table although its key
 * has expired.
 */
export function decideOutcomes(
  events: readonly PositionedEvent[],
  identities: BatchIdentities,
  knownHashes: ReadonlyMap<number, string>,
  alreadyStored: ReadonlySet<number>,
): BatchOutcomes {
  const outcomes: EventOutcome[] = [];
  const conflicts: (PositionedEvent & { storedPayloadHash: string })[] = [];
  for (const [index, positioned] of events.entries()) {
    const place = identities.identityOf[index] as number;
    const firstIndex = identities.firstIndexes[place] as number;
    const knownHash = knownHashes.get(place);
    if (firstIndex === index && knownHash === undefined && !alreadyStored.has(place)) {
      outcomes.push('stored');
      continue;
    }
    const storedPayloadHash = knownHash ?? (events[firstIndex] as PositionedEvent).event.payloadHash;
    if (storedPayloadHash === positioned.event.payloadHash) {
      outcomes.push('duplicate');
    } else {
      conflicts.push({ ...positioned, storedPayloadHash });
      outcomes.push('conflict');
    }
  }
  const toStore = identities.firstIndexes
    .filter((index) => outcomes[index] === 'stored')
    .map((index) => (events[index] as PositionedEvent).event);
  return { outcomes, toStore, conflicts };
}
