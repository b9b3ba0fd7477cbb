import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { verify } from '../../src/certificates/verification';
import { IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/shared/time-zone';
import { decodeUsageMessage } from '../../src/shared/usage-event/decode-usage-message';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const NOW = Date.UTC(2026, 10, 18, 10, 23, 45);
const ORGS = [ORG_A, ORG_B];
const MODELS = ['m1', 'm2'];

/** What happens one after the other: events of some age arrive, rollups are refreshed, data expires, time passes. */
type Step =
  | { readonly kind: 'events'; readonly ages: readonly number[] }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'expire' }
  | { readonly kind: 'wait'; readonly ms: number };

const stepsWithin = (horizon: number) =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: eventsWithin(horizon) },
      { weight: 3, arbitrary: fc.constant<Step>({ kind: 'refresh' }) },
      { weight: 2, arbitrary: fc.constant<Step>({ kind: 'expire' }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: MINUTE_MS, max: 30 * HOUR_MS }) }) }, // prettier-ignore
    ),
    { minLength: 4, maxLength: 14 },
  );

/** Anywhere within the horizon, lately, or just around its end. */
const eventsWithin = (horizon: number): fc.Arbitrary<Step> =>
  fc
    .array(
      fc.oneof(
        fc.integer({ min: 0, max: horizon - 1 }),
        fc.integer({ min: 0, max: 3 * HOUR_MS }),
        fc.integer({ min: horizon - HOUR_MS, max: horizon + DAY_MS }),
      ),
      { minLength: 1, maxLength: 40 },
    )
    .map((ages) => ({ kind: 'events', ages }));

describeEachEngine('late data', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let offset = 0;

  async function start(horizon: number): Promise<void> {
    database = await createTestDatabase(kind);
    service = await startTrial(database, {
      now: new Date(NOW),
      settings: { LATE_HORIZON: `${horizon / DAY_MS}d` },
    });
    await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
    offset = 0;
  }
  async function end(): Promise<void> {
    await service.close();
    await database.drop();
  }

  /** Commits a batch as the owner of partition 0 does. */
  async function commit(messages: readonly UsageEventPayload[], lateHorizon: number) {
    const decoded = messages.map((message, index) =>
      decodeUsageMessage(
        Buffer.from(JSON.stringify(message)),
        { lateHorizon, knownOrgs: null, maxMessageBytes: 1_048_576 },
        service.now.getTime(),
        offset + index,
      ),
    );
    const [firstOffset, lastOffset] = [offset, offset + messages.length - 1];
    const result = await service.commands.execute(
      new IngestUsageCommand({
        source: {
          kind: 'stream',
          partition: 0,
          epoch: 1,
          incarnation: 1,
          firstOffset,
          lastOffset,
          lastMessageHash: Buffer.alloc(32),
          expectedOffset: firstOffset,
          replay: false,
        },
        receivedAt: service.now,
        messages: messages.length,
        events: decoded.flatMap(({ events }) => events),
        rejects: decoded.flatMap(({ rejects }) => rejects),
        unknownFields: 0,
      }),
    );
    offset = lastOffset + 1;
    return result;
  }

  const eventsOfAges = (ages: readonly number[]): UsageEventPayload[] =>
    ages.map((age, index) =>
      usageEvent({
        eventId: randomUUID(),
        orgId: ORGS[index % 2] as string,
        modelId: MODELS[age % 2] as string,
        occurredAt: new Date(service.now.getTime() - age).toISOString(),
        latencyMs: age % 5_000,
        cost: `0.${String(age).padStart(10, '0').slice(-10)}`,
      }),
    );

  async function expectRecounted(stored: number): Promise<void> {
    const options = { now: service.now, orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, listed: 3 }; // prettier-ignore
    const { layers } = await verify(database.pool, options);
    expect(layers.filter(({ differing, awaiting }) => differing + awaiting > 0)).toEqual([]);
    const from = new Date(NOW - 60 * DAY_MS).toISOString();
    const until = new Date(service.now.getTime() + HOUR_MS).toISOString();
    for (const granularity of ['hour', 'day', 'month']) {
      let requests = 0;
      for (const orgId of ORGS) {
        const { body } = await service.send('GET', `/orgs/${orgId}/usage?start=${from}&end=${until}&granularity=${granularity}`); // prettier-ignore
        requests += body.totals.requests as number;
      }
      expect([granularity, requests]).toEqual([granularity, stored]);
    }
  }

  /** Does as the stream and the schedulers would, and answers how many events were stored. */
  async function take(steps: readonly Step[], horizon: number): Promise<number> {
    let all = 0;
    for (const step of steps) {
      if (step.kind === 'refresh') await service.refresh();
      if (step.kind === 'expire') await service.expire();
      if (step.kind === 'wait') service.now = new Date(service.now.getTime() + step.ms);
      if (step.kind !== 'events') continue;
      const { stored, quarantined } = await commit(eventsOfAges(step.ages), horizon);
      const tooLate = step.ages.filter((age) => age > horizon).length;
      expect([stored, quarantined]).toEqual([step.ages.length - tooLate, tooLate]);
      all += stored;
    }
    return all;
  }

  it.each([
    ['its default', 7],
    ['the whole retention of raw data', 30],
  ])(
    'is in every answer after a refresh, in whatever order it comes, with the late horizon at %s',
    async (_, days) => {
      const horizon = days * DAY_MS;
      // To begin with, events of every day, refreshed and, where the engine can, compressed.
      const ages = Array.from({ length: 60 }, (_each, index) => Math.floor(((index + 0.5) / 60) * horizon));
      const before: Step[] = [{ kind: 'events', ages }, { kind: 'refresh' }, { kind: 'expire' }];
      await fc.assert(
        fc.asyncProperty(stepsWithin(horizon), async (steps) => {
          await start(horizon);
          try {
            await expectRecounted(await take([...before, ...steps, { kind: 'refresh' }], horizon));
          } finally {
            await end();
          }
        }),
        { numRuns: 8 },
      );
    },
    300_000,
  );

  it('is stored once, also where chunks are compressed already', async () => {
    await start(30 * DAY_MS);
    try {
      const events = eventsOfAges(
        Array.from({ length: 50 }, (_, index) => 8 * DAY_MS + index * 10 * HOUR_MS),
      );
      await commit(events, 30 * DAY_MS);
      await service.refresh();
      await service.expire();
      if (kind === 'timescale') {
        const { rowCount } = await database.pool.query(
          `select from timescaledb_information.chunks where hypertable_name = 'usage_events' and is_compressed`,
        );
        expect(rowCount).toBeGreaterThan(15);
      }
      // The keys of the dedupe window do not know them any more.
      await database.pool.query('truncate usage_event_keys');
      const late = eventsOfAges(
        Array.from({ length: 50 }, (_, index) => 8 * DAY_MS + index * 10 * HOUR_MS + 1),
      );
      expect(await commit([...late, ...events], 30 * DAY_MS)).toMatchObject({ stored: 50, duplicates: 50 });
      await service.refresh();
      await expectRecounted(100);
    } finally {
      await end();
    }
  });
});
