import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { csvRows, parseCsv } from '../../test/support/csv';
import { type Cells, sumsOf, UNIT_OF, units, usageRowsOf } from '../../test/support/exported-rows';
import { describeEachEngine } from '../../test/support/engines';
import { type Exporting, startExporting } from '../../test/support/exporting';
import { BIG_ORG, EVENTS, eventsWithin, NOW, SMALL_ORG, usageOf } from '../../test/support/recount';
import { rolledUpDatabase } from '../../test/support/rolled-up-database';
import type { TestDatabase } from '../../test/support/test-database';
import { HOUR_MS, TimeZone } from '../shared/time-zone';
import { EVENT_COLUMNS } from './writing/event-file';
import { USAGE_COLUMNS } from './writing/usage-file';

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
];
const FILES = fc.record({
  orgId: fc.constantFrom(BIG_ORG, SMALL_ORG),
  granularity: fc.constantFrom('hourly', 'daily', 'monthly', 'events'),
  timezone: fc.constantFrom(...ZONES),
  hours: fc.double({ min: 0.001, max: 29 * 24, noNaN: true }),
  endedHoursAgo: fc.double({ min: -1, max: 80 * 24, noNaN: true }),
  format: fc.constantFrom('csv', 'csv.gz', 'focus'),
  focusVersion: fc.constantFrom('1.2', '1.4'),
  modelIds: fc.option(fc.subarray(['meta/llama-3-70b', '=cmd|calc', 'Zebra'], { minLength: 1 }), {
    freq: 3,
  }),
  clientIds: fc.option(fc.subarray(['checkout', 'search'], { minLength: 1 }), { freq: 4 }),
});

describeEachEngine('exported files', (engine) => {
  let database: TestDatabase;
  let exporting: Exporting;

  beforeAll(async () => {
    database = await rolledUpDatabase(engine, EVENTS, new Date(NOW.getTime() - 2 * HOUR_MS));
    exporting = await startExporting(database, { now: NOW });
  });
  afterAll(async () => {
    await exporting?.close();
    await database?.drop();
  });

  it('add up to their manifest, to the API and to the events, to the last digit, whatever was asked', async () => {
    let written = 0;
    const property = fc.asyncProperty(
      FILES,
      async ({ hours, endedHoursAgo, orgId, modelIds, clientIds, ...asked }) => {
        const end = NOW.getTime() - endedHoursAgo * HOUR_MS;
        const filters = { ...(modelIds && { modelIds }), ...(clientIds && { clientIds }) };
        const window = { start: String(Math.round(end - hours * HOUR_MS)), end: String(Math.round(end)) };
        const { status, body: job } = await exporting.send('POST', `/orgs/${orgId}/exports`, {
          body: {
            window,
            granularity: asked.granularity,
            timezone: asked.timezone,
            format: asked.format,
            filters,
            ...(asked.format === 'focus' && { focusVersion: asked.focusVersion }),
          },
        });
        // Longer than 31 days in whole buckets, FOCUS of events, or no longer kept.
        if (status === 400 || status === 422) return;
        expect(status).toBe(202);
        await exporting.write(orgId, job.jobId);
        const { manifest, bytes, text } = await exporting.readFile(orgId, job.jobId);
        written += 1;

        expect(manifest.file.bytes).toBe(bytes.length);
        expect(manifest.file.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
        const rows = csvRows(text);
        expect(manifest.file.rows).toBe(rows.length);
        expect(parseCsv(text)[0]).toEqual(manifest.file.columns);
        expect(sumsOf(rows, asked.granularity, asked.format)).toEqual(manifest.controlTotals);

        const events = eventsWithin(orgId, manifest.window)
          .filter(({ modelId }) => modelIds?.includes(modelId) ?? true)
          .filter(({ clientId }) => clientIds?.includes(clientId) ?? true);
        const { requests, inputTokens, cachedInputTokens, outputTokens, costExact: cost } = usageOf(events);
        const counts = Object.entries({ requests, inputTokens, cachedInputTokens, outputTokens });
        const expected = {
          ...Object.fromEntries(counts.map(([name, count]) => [name, String(count)])),
          cost,
        };
        expect(manifest.controlTotals).toEqual(expected);
        if (asked.granularity === 'events') {
          expect(rows.map(({ eventId }) => eventId)).toEqual(
            [...events]
              .sort((a, b) => a.occurredAt - b.occurredAt || (a.eventId < b.eventId ? -1 : 1))
              .map(({ eventId }) => eventId),
          );
        } else if (asked.format !== 'focus') {
          const zone = TimeZone.named(asked.timezone) as TimeZone;
          expect(rows).toEqual(usageRowsOf(orgId, events, asked.granularity, zone));
        }
        await compareWithApi(orgId, manifest, { modelIds, clientIds });
      },
    );
    await fc.assert(property, { numRuns: 120 });
    expect(written).toBeGreaterThan(60);
  }, 240_000);

  /** The same window, which is whole buckets of the file's time zone, asked of the API. */
  async function compareWithApi(
    orgId: string,
    {
      window,
      controlTotals,
      timezone,
      granularity,
    }: {
      window: { start: string; end: string };
      controlTotals: object;
      timezone: string;
      granularity: string;
    },
    filters: { modelIds: string[] | null; clientIds: string[] | null },
  ): Promise<void> {
    const search = new URLSearchParams({
      ...window,
      timezone,
      granularity: granularity === 'events' ? 'minute' : UNIT_OF[granularity as keyof typeof UNIT_OF],
    });
    for (const modelId of filters.modelIds ?? []) search.append('modelId', modelId);
    for (const clientId of filters.clientIds ?? []) search.append('clientId', clientId);
    const { status, body } = await exporting.send('GET', `/orgs/${orgId}/usage?${search.toString()}`);
    // The API widens single events to minutes, and refuses what it cannot answer exactly.
    if (status !== 200 || body.window.start !== window.start || body.window.end !== window.end) {
      expect(granularity === 'events' || status === 422 || status === 400).toBe(true);
      return;
    }
    const { requests, inputTokens, cachedInputTokens, outputTokens, costExact: cost } = body.totals;
    const counts = { requests, inputTokens, cachedInputTokens, outputTokens };
    expect({
      ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)])),
      cost,
    }).toEqual(controlTotals);
  }

  it('hold single events with every field, defused only where it is text', async () => {
    const occurredAt = NOW.getTime() - HOUR_MS;
    await database.pool.query(
      `insert into usage_events (occurred_at, received_at, org_id, event_id, latency_ms, latency_bin, input_tokens,
         output_tokens, cached_input_tokens, time_to_first_token_ms, status, cost, model_id, client_id, actor_id,
         error_code, metadata)
       values ($1, $2, $3, $4, 5, 1, 6, 7, null, 8, 'error', 0.10, '=m"1",2', '+c', E'\\tact', '-e', '{"a": "=1,2"}')`,
      [new Date(occurredAt), new Date(occurredAt + 1), QUOTED_ORG, '01234567-89ab-4def-8123-456789abcdef'],
    );
    const window = { start: new Date(occurredAt).toISOString(), end: new Date(occurredAt + 1).toISOString() };
    const { text, manifest } = await exporting.export(QUOTED_ORG, {
      window,
      granularity: 'events',
      filters: { statuses: ['error'] },
    });
    expect(text.endsWith('\r\n')).toBe(true);
    expect(manifest.file.columns).toEqual(EVENT_COLUMNS);
    expect(csvRows(text)).toEqual([
      {
        occurredAt: window.start,
        receivedAt: window.end,
        orgId: QUOTED_ORG,
        eventId: '01234567-89ab-4def-8123-456789abcdef',
        modelId: `'=m"1",2`,
        clientId: "'+c",
        actorId: "'\tact",
        status: 'error',
        errorCode: "'-e",
        latencyMs: '5',
        timeToFirstTokenMs: '8',
        inputTokens: '6',
        cachedInputTokens: null,
        outputTokens: '7',
        cost: '0.1',
        currency: 'USD',
        metadata: '{"a": "=1,2"}',
      },
    ]);
    const others = await exporting.export(QUOTED_ORG, {
      window,
      granularity: 'events',
      filters: { statuses: ['success'] },
    });
    expect(csvRows(others.text)).toEqual([]);
    expect(others.manifest.controlTotals.cost).toBe('0');
  });

  it('divide the cost of a call among its token kinds without losing a digit', async () => {
    const window = { start: '2026-10-01', end: '2026-11-01' };
    const asked = { window, granularity: 'daily', timezone: 'Europe/Berlin' };
    const usage = csvRows((await exporting.export(BIG_ORG, asked)).text);
    const { text } = await exporting.export(BIG_ORG, { ...asked, format: 'focus' });
    const charges = csvRows(text);
    // Null is an empty cell without quotes, and nothing is written with an exponent.
    expect(text).not.toMatch(/(^|,)""(,|\r)/m);
    expect(charges.filter((charge) => /e/i.test(charge['BilledCost'] ?? 'e'))).toEqual([]);
    expect(charges).toHaveLength(2 * usage.length);
    usage.forEach((row, index) => {
      const [input, output] = charges.slice(2 * index, 2 * index + 2) as [Cells, Cells];
      expect(units(input['BilledCost']) + units(output['BilledCost'])).toBe(units(row['cost']));
      expect([input['ConsumedQuantity'], output['ConsumedQuantity']]).toEqual([
        row['inputTokens'],
        row['outputTokens'],
      ]);
      expect([input['x_ModelId'], input['x_ClientId']]).toEqual([row['modelId'], row['clientId']]);
      for (const charge of [input, output]) {
        expect(units(charge['BilledCost'])).toBeGreaterThanOrEqual(0n);
        expect(units(charge['PricingQuantity']) * 1_000_000n).toBe(units(charge['ConsumedQuantity']));
      }
    });
  });

  it('say in their manifest what they are', async () => {
    const window = { start: '2026-10-01', end: '2026-10-02' };
    const { manifest } = await exporting.export(BIG_ORG, {
      window,
      granularity: 'hourly',
      timezone: 'Europe/Berlin',
    });
    expect(manifest).toMatchObject({
      schemaVersion: 1,
      orgId: BIG_ORG,
      file: { name: 'usage-hourly_2026-10-01_2026-10-02.csv', format: 'csv', columns: USAGE_COLUMNS },
      window: { start: '2026-09-30T22:00:00.000Z', end: '2026-10-01T22:00:00.000Z' },
      timezone: 'Europe/Berlin',
      granularity: 'hourly',
      currency: 'USD',
      rollupWatermark: new Date(NOW.getTime() - 2 * HOUR_MS).toISOString(),
      attempt: 1,
      service: { name: 'usage-analytics' },
    });
    expect(manifest.freshness.final).toBe(manifest.final);
  });
});

const QUOTED_ORG = 'd0000000-0000-4000-8000-00000000000d';
