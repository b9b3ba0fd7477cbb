import { uuidArray, uuidRows } from '../platform/database/binary-format';
import type { PositionedEvent, UsageEvent } from '../shared/usage-event/usage-event';
import { type BatchIdentities, identitiesOf } from './batch-outcomes';

/**
 * What the transaction of a batch sends, as far as its events alone decide it. Each part is made when it is first asked
 * for; what is sent of a batch whose identities are all new, the usual one, is made once.
 */
export class PreparedBatch {
  readonly identities: BatchIdentities;
  /** The first event of each identity, in the order of the identities. */
  readonly firsts: readonly UsageEvent[];
  private lookedUp: readonly [orgIds: Buffer, eventIds: Buffer] | undefined;
  private rowsOfAll: Buffer | undefined;
  private keysOfAll: { readonly day: number; readonly rows: Buffer } | undefined;
  private isBegun = false;

  constructor(events: readonly PositionedEvent[]) {
    this.identities = identitiesOf(events);
    this.firsts = this.identities.firstIndexes.map((index) => (events[index] as PositionedEvent).event);
  }

  /** The identities as parameters of type `uuid[]`. */
  get lookUp(): readonly [orgIds: Buffer, eventIds: Buffer] {
    return (this.lookedUp ??= [
      uuidArray(this.firsts.map(({ orgId }) => orgId)),
      uuidArray(this.firsts.map(({ eventId }) => eventId)),
    ]);
  }

  /** Rows for `copy usage_event_keys`. */
  keyRows(events: readonly UsageEvent[], day: Date): Buffer {
    if (!this.isAll(events)) return keyRows(events, day);
    if (this.keysOfAll?.day !== day.getTime())
      this.keysOfAll = { day: day.getTime(), rows: keyRows(events, day) };
    return this.keysOfAll.rows;
  }

  /** Rows for `copy usage_events`. */
  eventRows(events: readonly UsageEvent[]): Buffer {
    if (!this.isAll(events)) return eventRows(events);
    return (this.rowsOfAll ??= eventRows(events));
  }

  /**
   * Makes all of it, a part in each turn of the event loop: 5,000 events take some 6 ms, and what the database answers
   * meanwhile is not to be kept waiting. `day`: that of the first attempt, probably.
   */
  ahead(day: Date): void {
    if (this.isBegun) return;
    this.isBegun = true;
    const parts = [
      () => this.lookUp,
      () => this.keyRows(this.firsts, day),
      () => this.eventRows(this.firsts),
    ];
    const makeOne = (): void => {
      parts.shift()?.();
      if (parts.length > 0) setImmediate(makeOne);
    };
    setImmediate(makeOne);
  }

  private isAll(events: readonly UsageEvent[]): boolean {
    return (
      events.length === this.firsts.length && events.every((event, place) => event === this.firsts[place])
    );
  }
}

const prepared = new WeakMap<readonly PositionedEvent[], PreparedBatch>();

/**
 * The same for the same array of events: a batch is prepared while the one before it commits, because in its own
 * transaction the database would wait for it, and is not prepared again when it is tried again.
 */
export function prepareBatch(events: readonly PositionedEvent[]): PreparedBatch {
  let batch = prepared.get(events);
  if (!batch) prepared.set(events, (batch = new PreparedBatch(events)));
  return batch;
}

/** In COPY's text format. */
export function eventRows(events: readonly UsageEvent[]): Buffer {
  return Buffer.from(events.map(({ copyLine }) => `${copyLine}\n`).join(''));
}

function keyRows(events: readonly UsageEvent[], day: Date): Buffer {
  const columns = [
    events.map(({ orgId }) => orgId),
    events.map(({ eventId }) => eventId),
    events.map(({ payloadHash }) => payloadHash),
  ];
  return uuidRows(columns, day);
}
