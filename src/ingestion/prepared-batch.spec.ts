import { streamBatch, usageEvent } from '../../test/support/usage-events';
import { uuidRows } from '../platform/database/binary-format';
import { DAY_MS, startOfBucket } from '../platform/database/bucket-windows';
import type { PositionedEvent } from '../shared/usage-event/usage-event';
import { PreparedBatch, prepareBatch } from './prepared-batch';

const TODAY = startOfBucket(new Date(), DAY_MS);
const TOMORROW = new Date(TODAY.getTime() + DAY_MS);

describe('what a batch sends', () => {
  let events: readonly PositionedEvent[];

  beforeEach(() => {
    const twice = usageEvent();
    ({ events } = streamBatch([usageEvent(), twice, usageEvent(), { ...twice, latencyMs: 7 }, usageEvent()]));
  });

  it('is each identity once, of its first event', () => {
    const { firsts } = new PreparedBatch(events);
    const expected = [0, 1, 2, 4].map((index) => events[index]?.event);
    expect(new Set(firsts)).toEqual(new Set(expected));
    expect(firsts.map(({ eventId }) => eventId)).toEqual(expected.map((event) => event?.eventId).sort());
  });

  it('is the same whether it was made ahead or in its transaction', async () => {
    const [ahead, later] = [new PreparedBatch(events), new PreparedBatch(events)];
    ahead.ahead(TODAY);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((next) => setImmediate(next));
    const partsOf = (batch: PreparedBatch) => [
      ...batch.lookUp,
      batch.keyRows(batch.firsts, TODAY),
      batch.keyRows(batch.firsts, TOMORROW),
      batch.eventRows(batch.firsts),
    ];
    expect(partsOf(ahead)).toEqual(partsOf(later));
  });

  it('belongs to the day on which it is tried, whatever day it was made for', () => {
    const batch = new PreparedBatch(events);
    const [today, tomorrow] = [TODAY, TOMORROW].map((day) => batch.keyRows(batch.firsts, day));
    const columns = (['orgId', 'eventId', 'payloadHash'] as const).map((key) =>
      batch.firsts.map((event) => event[key]),
    );
    expect([today, tomorrow]).toEqual([TODAY, TOMORROW].map((day) => uuidRows(columns, day)));
    expect(batch.keyRows(batch.firsts, TODAY)).toEqual(today);
  });

  it('leaves out what is known', () => {
    const batch = new PreparedBatch(events);
    batch.eventRows(batch.firsts);
    const some = batch.firsts.slice(1, 3);
    expect(batch.eventRows(some).toString()).toBe(some.map(({ copyLine }) => `${copyLine}\n`).join(''));
    expect(batch.keyRows(some, TODAY).length).toBeLessThan(batch.keyRows(batch.firsts, TODAY).length);
    const others = batch.firsts.map((event) => ({ ...event, copyLine: 'x' }));
    expect(batch.eventRows(others).toString()).toBe('x\n'.repeat(others.length));
  });

  it('is made once, however often the batch is tried', () => {
    const batch = prepareBatch(events);
    expect(prepareBatch(events)).toBe(batch);
    expect(batch.eventRows(batch.firsts)).toBe(batch.eventRows(batch.firsts));
    expect(batch.lookUp).toBe(batch.lookUp);
    expect(prepareBatch([...events])).not.toBe(batch);
  });
});
