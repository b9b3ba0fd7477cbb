import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { verify } from '../../src/certificates/verification';
import { IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import { DAY_MS, type Granularity, HOUR_MS, MINUTE_MS, TimeZone } from '../../src/shared/time-zone';
import { decodeUsageMessage } from '../../src/shared/usage-event/decode-usage-message';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import { describeEachEngine } from '../support/engines';
import { costText } from '../support/counted-events';
import { units } from '../support/exported-rows';
import { percentileOf } from '../support/recount';
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
  /** By id, all that was ever stored. */
  const stored = new Map<string, UsageEventPayload>();

  async function start(horizon: number): Promise<void> {
    database = await createTestDatabase(kind);
    service = await startTrial(database, {
      now: new Date(NOW),
      settings: { LATE_HORIZON: `${horizon / DAY_MS}d` },
    });
    await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
    offset = 0;
    stored.clear();
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
    messages.forEach((message, index) => {
      if ((decoded[index]?.events.length ?? 0) > 0) stored.set(message.eventId, message);
    });
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

  /** Every layer agrees, and every answer is what a recount of all that was ever stored says. */
  async function expectRecounted(): Promise<void> {
    const options = { now: service.now, orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, lateHorizon: 7 * DAY_MS, listed: 3 }; // prettier-ignore
    const { layers } = await verify(database.pool, options);
    expect(layers.filter(({ differing, awaiting }) => differing + awaiting > 0)).toEqual([]);
    const from = new Date(NOW - 60 * DAY_MS).toISOString();
    const until = new Date(service.now.getTime() + HOUR_MS).toISOString();
    for (const orgId of ORGS) {
      const events = [...stored.values()].filter((event) => event.orgId === orgId);
      for (const [granularity, timezone] of [['hour', 'UTC'], ['day', 'UTC'], ['day', 'Asia/Kolkata'], ['month', 'Europe/Berlin']] as const) {
        const search = `start=${from}&end=${until}&granularity=${granularity}&timezone=${timezone}&groupBy=model`;
        const { body: usage } = await service.send('GET', `/orgs/${orgId}/usage?${search}`);
        const zone = TimeZone.named(timezone) ?? TimeZone.UTC;
        expect(usage.series.map(usageCells)).toEqual(recountedUsage(events, granularity, zone));
        if (timezone === 'Asia/Kolkata') continue;
        const { body: reliability } = await service.send('GET', `/orgs/${orgId}/reliability?${search}&percentile=95`); // prettier-ignore
        expect(reliability.series.map(latencyCells)).toEqual(recountedLatencies(events, granularity, zone));
      }
    }
  } // prettier-ignore

  /** Does as the stream and the schedulers would. */
  async function take(steps: readonly Step[], horizon: number): Promise<void> {
    for (const step of steps) {
      if (step.kind === 'refresh') await service.refresh();
      if (step.kind === 'expire') await service.expire();
      if (step.kind === 'wait') service.now = new Date(service.now.getTime() + step.ms);
      if (step.kind !== 'events') continue;
      const result = await commit(eventsOfAges(step.ages), horizon);
      const tooLate = step.ages.filter((age) => age > horizon).length;
      expect([result.stored, result.quarantined]).toEqual([step.ages.length - tooLate, tooLate]);
    }
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
            await take([...before, ...steps, { kind: 'refresh' }], horizon);
            await expectRecounted();
          } finally {
            await end();
          }
        }),
        { numRuns: 3 },
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
      expect(stored.size).toBe(100);
      await expectRecounted();
    } finally {
      await end();
    }
  });
});

interface Row {
  readonly time: string;
  readonly modelId: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly costExact: string;
  readonly latencyMaxMs: number;
  readonly p95Ms: number;
}
type Cells = readonly (string | number | null)[];

const usageCells = (row: Row): Cells => [row.time, row.modelId, row.requests, row.inputTokens, row.costExact];
const latencyCells = (row: Row): Cells => [row.time, row.modelId, row.requests, row.latencyMaxMs, row.p95Ms];

type Recount = (events: readonly UsageEventPayload[], granularity: Granularity, zone: TimeZone) => Cells[];
const recountedUsage: Recount = (...of) =>
  byBucketAndModel(...of).map(([time, modelId, events]) => [
    time,
    modelId,
    events.length,
    events.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    costText(events.reduce((sum, { cost }) => sum + units(String(cost)), 0n)),
  ]);
const recountedLatencies: Recount = (...of) =>
  byBucketAndModel(...of).map(([time, modelId, events]) => {
    const latencies = events.map(({ latencyMs }) => latencyMs);
    return [time, modelId, events.length, Math.max(...latencies), percentileOf(events, 95)];
  });

function byBucketAndModel(
  events: readonly UsageEventPayload[],
  granularity: Granularity,
  zone: TimeZone,
): [time: string, modelId: string, UsageEventPayload[]][] {
  const groups = new Map<string, UsageEventPayload[]>();
  for (const event of events) {
    const time = new Date(zone.floor(Date.parse(event.occurredAt), granularity)).toISOString();
    const key = `${time} ${event.modelId}`;
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, ofGroup]) => [...(key.split(' ') as [string, string]), ofGroup]);
}
