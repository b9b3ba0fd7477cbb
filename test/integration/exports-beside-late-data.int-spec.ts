import fc from 'fast-check';
import { DAY_MS, HOUR_MS, TimeZone } from '../../src/shared/time-zone';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import { costText } from '../support/counted-events';
import { csvRows } from '../support/csv';
import { describeEachEngine } from '../support/engines';
import { sumsOf, UNIT_OF, units } from '../support/exported-rows';
import { type Exporting, startExporting } from '../support/exporting';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, usageEvent } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const HORIZON_MS = 7 * DAY_MS;
const MODELS = ['m1', 'm2', '=m3'];

const FILES = fc.record({
  granularity: fc.constantFrom('hourly' as const, 'daily' as const, 'monthly' as const, 'events' as const),
  timezone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu'),
  format: fc.constantFrom('csv', 'csv.gz', 'focus'),
  days: fc.double({ min: 0.1, max: 6, noNaN: true }),
  endedDaysAgo: fc.double({ min: 0, max: 2, noNaN: true }),
  modelIds: fc.option(fc.subarray(MODELS, { minLength: 1 }), { freq: 3 }),
});

/** Reads, writes and refreshes as the running service does, all at the same time. */
describeEachEngine('exports beside late events', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let exporting: Exporting;
  /** All that was ever acknowledged, in its order. */
  const stored: UsageEventPayload[] = [];
  /** So many of them are in the rollups. */
  let settled = 0;

  beforeAll(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, { now: NOW });
    exporting = await startExporting(database, { now: NOW });
    for (let batch = 0; batch < 10; batch += 1) await arrive(200);
    await refresh();
  });
  afterAll(async () => {
    await exporting?.close();
    await service?.close();
    await database?.drop();
  });

  async function arrive(count: number): Promise<void> {
    const events = Array.from({ length: count }, () =>
      usageEvent({
        modelId: MODELS[Math.floor(Math.random() * MODELS.length)] as string,
        occurredAt: new Date(NOW.getTime() - Math.random() * (HORIZON_MS - HOUR_MS)).toISOString(),
        inputTokens: Math.floor(Math.random() * 4_000),
        outputTokens: Math.floor(Math.random() * 900),
        cost: costText(BigInt(Math.floor(Math.random() * 1e12))),
      }),
    );
    await store(events);
  }

  /** In one transaction. */
  async function store(events: UsageEventPayload[]): Promise<void> {
    expect((await service.send('POST', '/events', events)).status).toBe(202);
    stored.push(...events);
  }

  async function refresh(): Promise<void> {
    const before = stored.length;
    await service.refresh();
    settled = before;
  }

  /** Stores and refreshes until it is told to stop. */
  function arriving(): () => Promise<void> {
    let going = true;
    const done = (async () => {
      while (going) {
        await arrive(25);
        await refresh();
      }
    })();
    return () => {
      going = false;
      return done;
    };
  }

  interface Window {
    readonly start: string;
    readonly end: string;
  }
  const within = (events: readonly UsageEventPayload[], { start, end }: Window, modelIds: string[] | null) =>
    events.filter(
      ({ occurredAt, modelId }) =>
        Date.parse(occurredAt) >= Date.parse(start) &&
        Date.parse(occurredAt) < Date.parse(end) &&
        (modelIds?.includes(modelId) ?? true),
    );
  const totalsOf = (events: readonly UsageEventPayload[]) => {
    const sum = (of: (event: UsageEventPayload) => number) =>
      String(events.reduce((total, event) => total + of(event), 0));
    return {
      requests: String(events.length),
      inputTokens: sum(({ inputTokens }) => inputTokens),
      cachedInputTokens: '0',
      outputTokens: sum(({ outputTokens }) => outputTokens),
      cost: costText(events.reduce((total, { cost }) => total + units(String(cost)), 0n)),
    };
  };

  it('add up to their manifest while events arrive, and to the API and the events once these are refreshed', async () => {
    let written = 0;
    let grown = 0;
    const property = fc.asyncProperty(FILES, async ({ days, endedDaysAgo, modelIds, ...asked }) => {
      fc.pre(asked.granularity !== 'events' || asked.format !== 'focus');
      const end = NOW.getTime() - endedDaysAgo * DAY_MS;
      const window = { start: String(Math.round(end - days * DAY_MS)), end: String(Math.round(end)) };
      const body = { window, ...asked, filters: modelIds ? { modelIds } : {} };

      const stop = arriving();
      const [firmly, before] = [settled, stored.length];
      const { manifest, text } = await exporting.export(ORG_A, body).finally(stop);
      const rows = csvRows(text);
      expect(manifest.file.rows).toBe(rows.length);
      expect(sumsOf(rows, asked.granularity, asked.format)).toEqual(manifest.controlTotals);
      expect(manifest.final).toBe(false);
      const requests = Number(manifest.controlTotals.requests);
      const counted = (events: readonly UsageEventPayload[]) =>
        within(events, manifest.window, modelIds).length;
      expect(requests).toBeGreaterThanOrEqual(counted(stored.slice(0, firmly)));
      expect(requests).toBeLessThanOrEqual(counted(stored));
      if (asked.granularity === 'events') {
        const ids = new Set(rows.map(({ eventId }) => eventId));
        const missing = within(stored.slice(0, before), manifest.window, modelIds).filter(({ eventId }) => !ids.has(eventId)); // prettier-ignore
        expect(missing).toEqual([]);
      }

      await refresh();
      const settledFile = await exporting.export(ORG_A, body);
      const expected = totalsOf(within(stored, settledFile.manifest.window, modelIds));
      expect(sumsOf(csvRows(settledFile.text), asked.granularity, asked.format)).toEqual(expected);
      expect(settledFile.manifest.controlTotals).toEqual(expected);
      if (asked.granularity !== 'events') await compareWithApi(asked, settledFile.manifest.window, modelIds, expected); // prettier-ignore
      written += 1;
      if (requests < Number(expected.requests)) grown += 1;
    });
    await fc.assert(property, { numRuns: 15 });
    expect(written).toBeGreaterThan(8);
    // Or nothing arrived while the files were written.
    expect(grown).toBeGreaterThan(0);
  }, 120_000);

  it('are of one snapshot: of events that arrived together all are in a file, or none', async () => {
    const days = [1, 2, 3, 4, 5].map((day) => TimeZone.UTC.floor(NOW.getTime() - day * DAY_MS, 'day'));
    let arrived = 0;
    const together = async (): Promise<void> => {
      const at = (day: number) => new Date(day + 1_000 + arrived).toISOString();
      await store(days.map((day) => usageEvent({ modelId: 'together', occurredAt: at(day) })));
      arrived += 1;
    };
    await together();
    let going = true;
    const arriving = (async () => {
      while (going) await together();
    })();
    const window = {
      start: new Date(days.at(-1) ?? 0).toISOString(),
      end: new Date((days[0] ?? 0) + DAY_MS).toISOString(),
    };
    const seen: number[] = [];
    try {
      for (let file = 0; file < 4; file += 1) {
        const before = arrived;
        const { text } = await exporting.export(ORG_A, {
          window,
          granularity: 'events',
          filters: { modelIds: ['together'] },
        });
        const perDay = new Map<string, number>();
        for (const { occurredAt } of csvRows(text)) {
          const day = occurredAt?.slice(0, 10) ?? '';
          perDay.set(day, (perDay.get(day) ?? 0) + 1);
        }
        const counts = [...perDay.values()];
        expect([counts.length, new Set(counts).size]).toEqual([days.length, 1]);
        expect(counts[0] ?? 0).toBeGreaterThanOrEqual(before);
        seen.push(counts[0] ?? 0);
      }
    } finally {
      going = false;
      await arriving;
    }
    expect(seen.at(-1)).toBeGreaterThan(seen[0] ?? 0);
  });

  async function compareWithApi(
    { granularity, timezone }: { granularity: keyof typeof UNIT_OF; timezone: string } | { granularity: 'events'; timezone: string }, // prettier-ignore
    window: Window,
    modelIds: string[] | null,
    expected: ReturnType<typeof totalsOf>,
  ): Promise<void> {
    if (granularity === 'events') return;
    const search = new URLSearchParams({ ...window, timezone, granularity: UNIT_OF[granularity] });
    for (const modelId of modelIds ?? []) search.append('modelId', modelId);
    const { status, body } = await service.send('GET', `/orgs/${ORG_A}/usage?${search.toString()}`);
    expect([status, body.window]).toEqual([200, expect.objectContaining(window)]);
    const { requests, inputTokens, cachedInputTokens, outputTokens, costExact: cost } = body.totals;
    const counts = Object.entries({ requests, inputTokens, cachedInputTokens, outputTokens });
    expect({ ...Object.fromEntries(counts.map(([name, count]) => [name, String(count)])), cost }).toEqual(expected); // prettier-ignore
  }
});
