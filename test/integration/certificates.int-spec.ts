import { randomUUID } from 'node:crypto';
import { register } from 'prom-client';
import { VerifyDataCommand } from '../../src/certificates/commands/verify-data.command';
import { LastVerification } from '../../src/certificates/last-verification';
import { verify } from '../../src/certificates/verification';
import { ApiPool } from '../../src/platform/database/pools';
import type { Statement } from '../../src/platform/database/sql';
import { StorageEngine } from '../../src/platform/database/storage-engine';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const TODAY = Date.UTC(2026, 10, 18);
const iso = (instant: number): string => new Date(instant).toISOString();

describeEachEngine('certificates', (kind) => {
  let database: TestDatabase;
  let service: TrialService;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, { now: NOW });
    const events = [ORG_A, ORG_B].flatMap((orgId) =>
      Array.from({ length: 60 }, (_, index) =>
        usageEvent({
          orgId,
          occurredAt: iso(TODAY - 3 * DAY_MS + index * 1.3 * HOUR_MS),
          modelId: `model-${index % 3}`,
          clientId: index % 2 === 0 ? 'checkout' : undefined,
          latencyMs: 100 * index,
        }),
      ),
    );
    await ingest(...events);
    await service.refresh();
  });
  afterEach(async () => {
    await service?.close();
    await database?.drop();
  });

  async function ingest(...events: unknown[]): Promise<void> {
    const { status } = await service.send('POST', '/events', events);
    expect(status).toBe(202);
  }

  async function certificate(start = TODAY - 3 * DAY_MS, end = TODAY) {
    const { status, body } = await service.send(
      'GET',
      `/orgs/${ORG_A}/certificate?start=${iso(start)}&end=${iso(end)}`,
    );
    expect([status, body.detail]).toEqual([200, undefined]);
    return body;
  }
  const reasons = (body: { reasons: { code: string }[] }) => body.reasons.map(({ code }) => code);
  const verifyAll = () =>
    verify(database.pool, {
      now: NOW,
      orgId: null,
      start: null,
      end: null,
      retentionHourly: 396 * DAY_MS,
      lateHorizon: 7 * DAY_MS,
      listed: 10,
    });

  /** One request more in one row of what is materialised, as no statement of the service would write it. */
  async function plant(relation: string, day: number): Promise<void> {
    const { rows } =
      kind === 'postgres'
        ? await database.pool.query<{ name: string }>(
            'select coalesce(to_regclass($1), to_regclass($2))::text as name',
            [`${relation}_materialized`, relation],
          )
        : await database.pool.query<{ name: string }>(
            `select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
             from timescaledb_information.continuous_aggregates where view_name = $1`,
            [`${relation}_materialized`],
          );
    const name = rows[0]?.name ?? '';
    const { rowCount } = await database.pool.query(
      `update ${name} set requests = requests + 1 where (org_id, bucket, model_id) in (
         select org_id, bucket, model_id from ${name}
         where org_id = $1 and bucket >= $2 and bucket < $3 order by bucket limit 1)`,
      [ORG_A, new Date(day), new Date(day + DAY_MS)],
    );
    expect(rowCount).toBeGreaterThan(0);
  }

  it('are complete when every layer agrees, with the sums of each', async () => {
    const body = await certificate();
    expect(reasons(body)).toEqual([]);
    expect(body).toMatchObject({
      complete: true,
      orgId: ORG_A,
      openGaps: [],
      review: { openConflicts: '0' },
    });
    const counted = Number(body.events.stored);
    expect(counted).toBeGreaterThan(50);
    expect(body.events).toMatchObject({
      received: String(counted),
      duplicates: '0',
      conflicts: '0',
      quarantined: '0',
    });
    const cost = String(counted * 12_345).padStart(8, '0');
    expect(body.raw).toEqual({
      requests: String(counted),
      inputTokens: String(374 * counted),
      outputTokens: String(44 * counted),
      cost: `${cost.slice(0, -7)}.${cost.slice(-7)}`.replace(/^0+(?=\d)/, '').replace(/0+$/, ''),
    });
    const found = Object.fromEntries(body.layers.map((layer: { relation: string; found: { requests: string } }) => [layer.relation, layer.found.requests])); // prettier-ignore
    expect(found).toEqual({
      ...Object.fromEntries(['usage_15min', 'org_usage_15min', 'usage_hourly', 'usage_daily', 'org_usage_hourly', 'org_usage_daily', 'latency_hourly', 'latency_daily', 'org_latency_hourly', 'org_latency_daily', 'ingest_ledger'].map((name) => [name, String(counted)])), // prettier-ignore
      quarantined_events: '0',
    });
  });

  it('are not complete while an event of another payload under a stored identity waits for a review', async () => {
    const event = usageEvent({ occurredAt: iso(TODAY - 2 * DAY_MS) });
    await ingest(event);
    await ingest({ ...event, outputTokens: 45 });
    await service.refresh();
    const body = await certificate();
    expect([body.complete, reasons(body)]).toEqual([false, ['unreviewed_conflicts']]);
    expect(body.events).toMatchObject({ conflicts: '1' });
    expect(reasons(await certificate(TODAY - DAY_MS, TODAY))).toEqual([]);
    const { unreviewedConflicts } = await verifyAll();
    expect(unreviewedConflicts).toEqual([{ orgId: ORG_A, bucket: '2026-11-16T00:00:00Z', conflicts: 1 }]);
  });

  it('are not complete over a gap of the stream until somebody acknowledges it', async () => {
    await database.pool.query(
      `insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_from, data_through)
       values (0, 1, 'truncated', 10, 20, $1, $2)`,
      [new Date(TODAY - 2 * DAY_MS), new Date(TODAY - 2 * DAY_MS + HOUR_MS)],
    );
    const body = await certificate();
    expect([body.complete, reasons(body)]).toEqual([false, ['open_data_gap']]);
    expect(body.openGaps).toMatchObject([{ kind: 'truncated', fromOffset: '10', toOffset: '20' }]);
    expect((await verifyAll()).openGaps).toHaveLength(1);
    await database.pool.query(
      `update data_gaps set acknowledged_at = now(), acknowledged_by = 'x', acknowledged_reason = 'sent again'`,
    );
    expect(reasons(await certificate())).toEqual([]);
  });

  it('are not complete while a partition has not been read past the end of the window', async () => {
    await database.pool.query(`update ingest_cursors set owner = 'replica', data_through = $1, backlog = 7`, [
      new Date(TODAY - 1),
    ]);
    const body = await certificate();
    expect([body.complete, reasons(body)]).toEqual([false, ['data_behind']]);
    expect(reasons(await certificate(TODAY - 3 * DAY_MS, TODAY - DAY_MS))).toEqual([]);
  });

  it('are not complete while late events wait for their refresh, which is no difference', async () => {
    await ingest(usageEvent({ occurredAt: iso(TODAY - 2 * DAY_MS), eventId: randomUUID() }));
    const body = await certificate();
    // On plain PostgreSQL the finest rollups have it at once.
    expect([body.complete, reasons(body)]).toEqual([false, ['awaiting_refresh']]);
    expect((await verifyAll()).differing).toBe(0);
    await service.refresh();
    expect(reasons(await certificate())).toEqual([]);
  });

  it.each([
    'usage_15min',
    // Views on plain PostgreSQL.
    ...(kind === 'timescale' ? ['org_usage_15min', 'org_latency_hourly', 'org_latency_daily'] : []),
    'usage_hourly',
    'usage_daily',
    'org_usage_hourly',
    'org_usage_daily',
    'latency_hourly',
    'latency_daily',
  ])(
    'are not complete with one request too many in %s, which is named, repaired by a rebuild and found no more',
    async (relation) => {
      const day = TODAY - 2 * DAY_MS;
      expect((await verifyAll()).differing).toBe(0);
      await plant(relation, day);
      const body = await certificate();
      expect([body.complete, [...new Set(reasons(body))]]).toEqual([false, ['layers_differ']]);
      const { layers } = await verifyAll();
      const layer = layers.find((each) => each.relation === relation);
      const [difference] = layer?.differences ?? [];
      expect(difference).toMatchObject({ orgId: ORG_A });
      expect(difference?.bucket).toContain('2026-11-16T');
      expect(BigInt(difference?.found?.['requests'] ?? '0')).toBe(
        BigInt(difference?.expected?.['requests'] ?? '0') + 1n,
      );
      await service.app
        .get(StorageEngine)
        .rebuild({ start: new Date(day), end: new Date(day + DAY_MS) }, null);
      expect((await verifyAll()).layers.filter(({ differing }) => differing > 0)).toEqual([]);
      expect(reasons(await certificate())).toEqual([]);
    },
  );

  it('are told of by every worker, whichever verified last and however late the worker has started', async () => {
    const day = TODAY - 2 * DAY_MS;
    await plant('usage_hourly', day);
    expect(await service.commands.execute(new VerifyDataCommand())).not.toMatchObject({ differing: 0 });
    // What another process has is not known in a new one.
    register.resetMetrics();
    const worker = await startTrial(database, { now: NOW, settings: { SERVICE_ROLES: 'worker' } });
    const differing = async () => {
      const metric = await register.getSingleMetric('verify_differing_rows')?.get();
      return metric?.values.find(({ labels }) => labels['relation'] === 'usage_hourly')?.value;
    };
    try {
      await eventually(async () => expect(await differing()).toBe(1));
      await service.app
        .get(StorageEngine)
        .rebuild({ start: new Date(day), end: new Date(day + DAY_MS) }, null);
      await service.commands.execute(new VerifyDataCommand());
      await worker.app.get(LastVerification).export();
      expect(await differing()).toBe(0);
    } finally {
      await worker.close();
    }
  });

  it('find a row that nothing explains, and a rebuild removes it', async () => {
    const invented = {
      postgres: 'usage_hourly_materialized',
      timescale: `_timescaledb_internal._materialized_hypertable_4`,
    }[kind];
    const bucket = new Date(TODAY - 2 * DAY_MS + 5 * HOUR_MS);
    await database.pool.query(
      `insert into ${invented} (bucket, org_id, model_id, client_id, requests, successes, errors, timeouts, throttled,
         input_tokens, cached_input_tokens, output_tokens, cost, latency_sum_ms, latency_max_ms)
       values ($1, '00000000-0000-4000-8000-0000000000ff', 'ghost', '', 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1)`,
      [bucket],
    );
    const { layers } = await verifyAll();
    expect(layers.find(({ relation }) => relation === 'usage_hourly')?.differences).toMatchObject([
      {
        orgId: '00000000-0000-4000-8000-0000000000ff',
        modelId: 'ghost',
        expected: null,
        found: { requests: '1' },
      },
    ]);
    const day = TODAY - 2 * DAY_MS;
    await service.app.get(StorageEngine).rebuild({ start: new Date(day), end: new Date(day + DAY_MS) }, null);
    expect((await verifyAll()).layers.filter(({ differing }) => differing > 0)).toEqual([]);
  });

  it('rest on the ledger where the events are gone', async () => {
    service.now = new Date(NOW.getTime() + 35 * DAY_MS);
    await service.refresh();
    await service.expire();
    await service.expire();
    const body = await certificate();
    expect(body).toMatchObject({ complete: true, reasons: [], raw: null });
    expect(
      body.layers.map(({ relation, against }: Record<string, string>) => `${relation} ${against}`).sort(),
    ).toEqual([
      'latency_daily latency_hourly',
      'org_latency_daily latency_hourly',
      'org_latency_hourly latency_hourly',
      'org_usage_daily usage_hourly',
      'org_usage_hourly usage_hourly',
      'quarantined_events ingest_ledger',
      'usage_daily usage_hourly',
      'usage_hourly ingest_ledger',
    ]);
    await database.pool.query(
      'update ingest_ledger set stored = stored - 1, duplicates = duplicates + 1 where hour = $1',
      [new Date(TODAY - 3 * DAY_MS)],
    );
    const broken = await certificate();
    expect(reasons(broken)).toEqual(['layers_differ']);
    expect(broken.reasons[0].detail).toContain('at 2026-11-15T00:00:00Z: requests 1 instead of nothing');
  });

  /** The days compared for a certificate, while an event of the second one arrives at each comparison of the last. */
  async function comparedDays(end: number, arrivals: number) {
    const pool = service.app.get(ApiPool);
    const query = pool.query.bind(pool) as (statement: Statement & { values: Date[] }) => Promise<unknown>;
    const compared: string[] = [];
    const watched = jest.spyOn(pool, 'query').mockImplementation((async (
      statement: Parameters<typeof query>[0],
    ) => {
      if (!statement.name?.startsWith('certificates/compare-ledger-with-events')) return query(statement);
      const day = statement.values[1]?.toISOString().slice(0, 10) ?? '';
      if (compared.filter((each) => each === '2026-11-17').length < arrivals && day === '2026-11-17')
        await ingest(usageEvent({ occurredAt: iso(TODAY - 2 * DAY_MS + HOUR_MS) }));
      compared.push(day);
      return query(statement);
    }) as never);
    const body = await certificate(TODAY - 3 * DAY_MS, end);
    watched.mockRestore();
    return { body, compared };
  }

  it('compare a day again of which an event arrived meanwhile, and no other', async () => {
    const { body, compared } = await comparedDays(TODAY, 1);
    expect(compared).toEqual(['2026-11-15', '2026-11-16', '2026-11-17', '2026-11-16']);
    expect(reasons(body)).toEqual(['awaiting_refresh']);
    const ofLedger = body.layers.find(({ relation }: { relation: string }) => relation === 'ingest_ledger');
    expect([ofLedger.found.requests, ofLedger.expected.requests]).toEqual([
      body.events.stored,
      body.events.stored,
    ]);
  });

  it('compare no day again of a window that is not over', async () => {
    const { body, compared } = await comparedDays(TODAY + HOUR_MS * 12, 1);
    expect(compared).toEqual(['2026-11-15', '2026-11-16', '2026-11-17', '2026-11-18']);
    expect(reasons(body)).toEqual(['data_behind', 'still_changing']);
  });

  it('miss an event that the ledger has and the table has not', async () => {
    await database.pool.query('delete from usage_events where (org_id, occurred_at) in (select org_id, occurred_at from usage_events where org_id = $1 order by 2 limit 1)', [ORG_A]); // prettier-ignore
    const { layers } = await verifyAll();
    expect(layers.find(({ relation }) => relation === 'ingest_ledger')?.differences).toMatchObject([
      { orgId: ORG_A, bucket: '2026-11-15T00:00:00Z', expected: null, found: { requests: '1' } },
    ]);
  });

  it.each([
    ['start=2026-11-16&end=2026-11-16', 'end', 400],
    ['start=2026-11-17&end=2026-11-16', 'end', 400],
    ['start=yesterday&end=now', 'start', 400],
    ['start=now-2d&end=later', 'end', 400],
    ['start=now-2d', 'end', 400],
    ['start=now-2d&end=now&timezone=Mars', 'timezone', 400],
    ['start=now%2B2d&end=now%2B3d', 'start', 400],
    ['start=2024-01-01&end=2024-02-01', 'start', 422],
    ['start=2024-01-01&end=now', 'end', 400],
    ['start=now-2d&end=now&unknown=1', 'unknown', 400],
  ])('refuse %s with what would do', async (query, parameter, status) => {
    const answer = await service.send('GET', `/orgs/${ORG_A}/certificate?${query}`);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
    expect(answer.body.errors.map((error: { parameter: string }) => error.parameter)).toContain(parameter);
  });
});
