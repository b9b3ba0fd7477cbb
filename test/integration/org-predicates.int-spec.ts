import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verify } from '../../src/certificates/verification';
import { StoredIdentities } from '../../src/ingestion/quarantine/stored-identities';
import { IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import type { UsageEvent } from '../../src/shared/usage-event/usage-event';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import { type Exporting, startExporting } from '../support/exporting';
import { statementsOf } from '../support/loaded-statements';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, streamBatch, usageEvent } from '../support/usage-events';

// Every statement that is loaded from here on can be changed while the service runs.
jest.mock('../../src/platform/database/sql', () =>
  jest.requireActual<typeof import('../support/loaded-statements')>('../support/loaded-statements').watchedSql(),
); // prettier-ignore

const SQL = join(__dirname, '..', '..', 'sql');
const NOW = new Date('2026-11-24T10:20:00.000Z');
const HOUR_MS = 3_600_000;
/** Has used nothing lately. */
const ORG_C = 'c0000000-0000-4000-8000-00000000000c';
const PREDICATE = /\b(\w+\.)?org_id = (\$\d::uuid)/g;
/** They limit work and no answer: rebuilding for one organisation instead of for all, reading closed buckets again. */
const LIMITS_WORK = /^(engine|reaggregation)\/|^aggregation\/read-closed-state$/;
const LIKELY: Readonly<Record<string, RegExp>> = {
  budgets: /budget/,
  certificates: /certificate|verification/,
  exports: /export/,
  freshness: /freshness|2026-11-19T14/,
  ingestion: /events/,
  quarantine: /quarantine|identity/,
};
/** A filter of the platform over its own log. */
const FILTERS = /^access\/list-audit-entries$/;

interface Place {
  readonly path: string;
  /** Of the predicate in the file, from 0. */
  readonly nth: number;
}

const places: Place[] = readdirSync(SQL, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.sql'))
  .map((file) => file.replace(/\.sql$/, ''))
  .filter((path) => !LIMITS_WORK.test(path) && !FILTERS.test(path))
  .flatMap((path) => {
    const statement = readFileSync(join(SQL, `${path}.sql`), 'utf8').replaceAll(/^\s*--.*$/gm, '');
    return [...statement.matchAll(PREDICATE)].map((_, nth) => ({ path, nth }));
  });

/** The statement with its nth predicate true for every organisation. */
function without(text: string, nth: number): string {
  let place = -1;
  const body = text.replaceAll(/^\s*--.*$/gm, '');
  return body.replaceAll(PREDICATE, (predicate, _, parameter: string) => {
    place += 1;
    return place === nth ? `(${parameter} is not null or true)` : predicate;
  });
}

describe('the predicate of the organisation', () => {
  let database: TestDatabase;
  let service: TrialService;
  let exporting: Exporting;
  let directory: string;
  /** What is asked, and what was answered before anything was changed. */
  const probes: (readonly [string, () => Promise<unknown>])[] = [];
  const answers = new Map<string, string>();

  const ago = (hours: number, orgId: string, change: Partial<UsageEventPayload> = {}): UsageEventPayload =>
    usageEvent({ orgId, occurredAt: new Date(NOW.getTime() - hours * HOUR_MS).toISOString(), ...change });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'org-predicates-'));
    database = await createTestDatabase('postgres');
    const budget = (orgId: string): string =>
      `  - { org: ${orgId}, period: month, amount: '0.1', thresholds: [1, 50] }`;
    writeFileSync(join(directory, 'budgets.yaml'), `version: 1\nbudgets:\n${budget(ORG_A)}\n${budget(ORG_B)}\n`); // prettier-ignore
    const settings = { BUDGETS_FILE: join(directory, 'budgets.yaml'), RATE_LIMIT_PER_MINUTE: '0', LATE_HORIZON: '4d', CLOSED_BUCKETS_CACHE_TTL: '1ms' }; // prettier-ignore
    service = await startTrial(database, { now: NOW, settings });
    exporting = await startExporting(database, { now: NOW });
    await fill();
    await ask();
    for (const [name, probe] of probes) answers.set(name, await told(probe));
  });
  afterAll(async () => {
    await Promise.all([service.close(), exporting.close()]);
    await database.drop();
    rmSync(directory, { recursive: true });
  });

  const ofB = { known: randomUUID(), keyless: randomUUID(), quarantined: randomUUID() };

  async function fill(): Promise<void> {
    await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
    const few = (hours: number) => [
      ago(hours, ORG_A, { modelId: 'one' }),
      ago(hours, ORG_A, { modelId: 'one' }),
      ago(hours, ORG_A, { modelId: 'two', clientId: 'a', status: 'error', errorCode: 'of-a' }),
    ];
    const many = (hours: number) => [
      ...Array.from({ length: 5 }, () =>
        ago(hours - 1 / 60, ORG_B, { modelId: 'two', clientId: 'b', latencyMs: 9 }),
      ),
      ago(hours, ORG_B, { modelId: 'three', clientId: 'b', status: 'error', errorCode: 'of-b' }),
    ];
    const poison = (orgId: string, eventId: string = randomUUID()) => ({ ...ago(2, orgId, { eventId }), latencyMs: -1 }); // prettier-ignore
    const known = ago(2, ORG_B, { eventId: ofB.known });
    const events = [
      ...[1, 2, 30, 90].flatMap((hours) => [...few(hours), ...many(hours)]),
      ago(0.5, ORG_B, { modelId: 'one' }),
      ago(90, ORG_C, { modelId: 'old' }),
      known,
      { ...known, latencyMs: 3 },
      ago(3, ORG_B, { eventId: ofB.keyless }),
      poison(ORG_A),
      poison(ORG_B, ofB.quarantined),
      poison(ORG_B),
    ];
    await service.commands.execute(new IngestUsageCommand(streamBatch(events)));
    await service.refresh();
    await database.pool.query('delete from usage_event_keys where event_id = $1', [ofB.keyless]);
    // Below this the ledger and the rollups are held against each other, without events.
    await database.pool.query(`update rollup_state set raw_from = '2026-11-21T00:00:00Z'`);
    // As an event that an operator admitted would leave it.
    await database.pool.query('insert into dirty_windows (org_id, hour) values ($1, $2)', [
      ORG_B,
      new Date('2026-11-19T15:00:00.000Z'),
    ]);
    await database.pool.query(
      `insert into budget_alerts (org_id, period, period_name, percent, amount, spent, currency, fired_at, webhook, next_attempt_at)
       values ($1, 'month', '2026-11', 1, 1, 1, 'USD', $2, 'none', $2)`,
      [ORG_B, NOW],
    );
  }

  async function ask(): Promise<void> {
    const day = 'start=2026-11-23&end=2026-11-25';
    const series = ['', '&groupBy=model&limit=1', '&granularity=minute&start=now-4h', '&granularity=minute&start=now-4h&groupBy=client&limit=1', '&groupBy=status', '&timezone=Asia/Kathmandu', '&granularity=day']; // prettier-ignore
    for (const route of ['usage', 'reliability'])
      for (const question of series) get(`/orgs/${ORG_A}/${route}?${question.includes('start') ? '' : day}${question}`); // prettier-ignore
    get(`/orgs/${ORG_A}/usage?granularity=minute&start=now-4h&groupBy=model&limit=1`);
    get(`/orgs/${ORG_A}/reliability?${day}&groupBy=model`);
    get(`/orgs/${ORG_A}/reliability?${day}&granularity=hour&groupBy=client`);
    get(`/orgs/${ORG_A}/usage?start=2026-11-19T14:00:00Z&end=2026-11-19T18:00:00Z`);
    for (const list of ['summary', 'models', 'clients', 'errors', 'freshness', 'budget', 'quarantine'])
      get(`/orgs/${ORG_A}/${list}`);
    get(`/orgs/${ORG_C}/freshness`);
    get(`/orgs/${ORG_A}/certificate?${day}`);
    get(`/orgs/${ORG_A}/certificate?start=2026-11-19&end=2026-11-22`);
    for (const eventId of Object.values(ofB)) get(`/orgs/${ORG_A}/events/${eventId}`);
    const { body } = await service.send('GET', `/orgs/${ORG_B}/quarantine`);
    get(`/orgs/${ORG_A}/quarantine/${(body.quarantine ?? body.events)[0].quarantineId}`);
    const identities = service.app.get(StoredIdentities);
    for (const eventId of [ofB.known, ofB.keyless]) {
      const event = { orgId: ORG_A, eventId, occurredAt: 0, payloadHash: '' } as UsageEvent;
      probes.push([`the identity ${eventId}`, () => identities.compare(event, false)]);
    }
    const all = { now: NOW, orgId: ORG_A, start: null, end: null, retentionHourly: 396 * 24 * HOUR_MS, lateHorizon: 4 * 24 * HOUR_MS, listed: 100 }; // prettier-ignore
    probes.push(['a verification', () => verify(database.pool, all)]);
    const window = { start: '2026-11-23', end: '2026-11-24' };
    for (const [granularity, format] of [['hourly', 'csv'], ['events', 'csv'], ['daily', 'focus']] as const) // prettier-ignore
      probes.push([`an export ${granularity}`, async () => (await exporting.export(ORG_A, { window, granularity, format })).text]); // prettier-ignore
  }

  const get = (path: string): void => {
    const asked = async () => {
      const { status, body } = await service.send('GET', path);
      return [status, body] as const;
    };
    probes.push([path, asked]);
  };

  const told = (probe: () => Promise<unknown>): Promise<string> =>
    probe().then(
      (answer) => JSON.stringify(answer),
      (error: Error) => `fails: ${error.message.slice(0, 200)}`,
    );

  /** All of them; those that ask the statements of this folder come first, so that most changes show at once. */
  const likelyFirst = (path: string) => {
    const folder = path.split('/')[0] ?? '';
    const likely = LIKELY[folder] ?? /never/;
    return [...probes].sort(([one], [other]) => Number(likely.test(other)) - Number(likely.test(one)));
  };

  it('is known in many places', () => {
    expect(places.length).toBeGreaterThan(40);
  });

  it('is asked for by questions that are answered, and always the same', async () => {
    for (const [name, probe] of probes) {
      const answer = answers.get(name) ?? '';
      expect([name, answer]).not.toEqual([name, expect.stringMatching(/^fails|^\[(400|422|5)/)]);
      expect([name, await told(probe)]).toEqual([name, answer]);
    }
  });

  it.each(places)('cannot be left out of $path (place $nth) without an answer that shows it', async ({ path, nth }) => {
    const loaded = statementsOf(path);
    expect(loaded.length).toBeGreaterThan(0);
    const restore = loaded.map((statement) => statement.change((text) => without(text, nth)));
    try {
      for (const [name, probe] of likelyFirst(path)) if ((await told(probe)) !== answers.get(name)) return;
    } finally {
      restore.forEach((undo) => undo());
    }
    throw new Error('No answer changed: nothing would show that organisations are mixed up here.');
  }); // prettier-ignore
});
