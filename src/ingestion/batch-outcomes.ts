import type { EventOutcome } from '../shared/messages/ingest-usage.command';
import type { PositionedEvent, UsageEvent } from '../shared/usage-event/usage-event';

/** The identities of a batch, each with the index of the first event that carries it, in the batch's order. */
export interface BatchIdentities {
  readonly firstIndexes: readonly number[];
  /** For each event of the batch, the place of its identity in `firstIndexes`. */
  readonly identityOf: Uint32Array;
}

export function identitiesOf(events: readonly PositionedEvent[]): BatchIdentities {
  const places = new Map<string, number>();
  const firstIndexes: number[] = [];
  const identityOf = new Uint32Array(events.length);
  for (const [index, { event }] of events.entries()) {
    const identity = event.orgId + event.eventId;
    let place = places.get(identity);
    if (place === undefined) {
      place = firstIndexes.length;
      places.set(identity, place);
      firstIndexes.push(index);
    }
    identityOf[index] = place;
  }
  return { firstIndexes, identityOf };
}

/** What becomes of each event, and of which stored payload a conflict is one. */
export interface BatchOutcomes {
  readonly outcomes: readonly EventOutcome[];
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
  const toStore: UsageEvent[] = [];
  const conflicts: (PositionedEvent & { storedPayloadHash: string })[] = [];
  for (const [index, positioned] of events.entries()) {
    const place = identities.identityOf[index] as number;
    const firstIndex = identities.firstIndexes[place] as number;
    const knownHash = knownHashes.get(place);
    if (firstIndex === index && knownHash === undefined && !alreadyStored.has(place)) {
      toStore.push(positioned.event);
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
  return { outcomes, toStore, conflicts };
}
