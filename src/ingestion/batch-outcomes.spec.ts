import fc from 'fast-check';
import type { PositionedEvent, UsageEvent } from '../shared/usage-event/usage-event';
import { decideOutcomes, identitiesOf } from './batch-outcomes';

function batchOf(events: readonly (readonly [id: number, payload: number])[]): PositionedEvent[] {
  return events.map(([id, payload], index) => ({
    offset: index,
    index: 0,
    event: {
      orgId: `org-${id % 3}`,
      eventId: `event-${id}`,
      occurredAt: 0,
      copyLine: '',
      payloadHash: `hash-${payload}`,
      unknownFields: 0,
      arrived: {},
    },
  }));
}

const events = fc.array(fc.tuple(fc.nat(12), fc.nat(2)), { maxLength: 60 });

describe('deciding what becomes of each event of a batch', () => {
  it('stores each unknown identity once, whatever order and however often it comes', () => {
    fc.assert(
      fc.property(events, fc.uniqueArray(fc.nat(12)), (list, storedBefore) => {
        const batch = batchOf(list);
        const identities = identitiesOf(batch);
        const known = new Map<number, string>();
        identities.firstIndexes.forEach((first, place) => {
          if (storedBefore.includes(list[first]?.[0] ?? -1)) known.set(place, 'hash-0');
        });
        const { outcomes, toStore, conflicts } = decideOutcomes(batch, identities, known, new Set());

        // An oracle of its own: a plain ledger of identities, one event at a time.
        const hashes = new Map(storedBefore.map((id) => [id, 'hash-0']));
        const expected = list.map(([id, payload]) => {
          const hash = hashes.get(id);
          if (hash !== undefined) return hash === `hash-${payload}` ? 'duplicate' : 'conflict';
          hashes.set(id, `hash-${payload}`);
          return 'stored';
        });
        expect(outcomes).toEqual(expected);
        const stored = batch.filter((_, index) => expected[index] === 'stored').map(({ event }) => event);
        const inOrder = (a: UsageEvent, b: UsageEvent) =>
          `${a.orgId}/${a.eventId}` < `${b.orgId}/${b.eventId}` ? -1 : 1;
        expect(toStore).toEqual(stored.sort(inOrder));
        expect(conflicts).toHaveLength(expected.filter((outcome) => outcome === 'conflict').length);
      }),
    );
  });

  it('numbers identities in one order, whatever order they come in, so that two writers cannot deadlock', () => {
    fc.assert(
      fc.property(events, (list) => {
        const batch = batchOf(list);
        const { firstIndexes, identityOf } = identitiesOf(batch);
        const keyOf = (index: number): string =>
          `${batch[index]?.event.orgId}/${batch[index]?.event.eventId}`;
        const keys = firstIndexes.map(keyOf);
        expect(keys).toEqual([...new Set(keys)].sort());
        expect([...identityOf].map((place) => keys[place])).toEqual(batch.map((_, index) => keyOf(index)));
        expect(firstIndexes.every((first) => batch.findIndex((_, index) => keyOf(index) === keyOf(first)) === first)).toBe(true); // prettier-ignore
      }),
    );
  });

  it('tells a conflict which payload was stored first', () => {
    const batch = batchOf([
      [1, 0],
      [1, 1],
    ]);
    const { conflicts } = decideOutcomes(batch, identitiesOf(batch), new Map(), new Set());
    expect(conflicts).toMatchObject([{ offset: 1, storedPayloadHash: 'hash-0' }]);
  });

  it('takes an event for a duplicate that stands in the table although its key has expired', () => {
    const batch = batchOf([[1, 0]]);
    const { outcomes } = decideOutcomes(batch, identitiesOf(batch), new Map(), new Set([0]));
    expect(outcomes).toEqual(['duplicate']);
  });
});
