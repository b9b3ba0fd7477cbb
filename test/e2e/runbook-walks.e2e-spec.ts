import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { commandsOf } from '../support/documented-commands';
import { eventually } from '../support/eventually';
import { ForgottenSessions } from '../support/forgotten-sessions';
import { relationBehind } from '../support/relation-behind';
import { testServers } from '../support/test-servers';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';
import { WalkedService } from '../support/walked-service';

const STREAM = 'analytics.usage.v1';
const RUNBOOKS = join(__dirname, '..', '..', 'docs', 'runbooks');

interface Quarantined {
  readonly quarantineId: string;
  readonly state: string;
}

const QUERIES = 'http_request_duration_seconds';
const USAGE = { method: 'GET', route: '/analytics/v1/orgs/:orgId/usage' };

/** The commands of a broker that the environment names, or of one in a container, are not at hand. */
const hasRabbitmqctl = testServers().rabbitmqctlEnvironment !== undefined;
const itWithRabbitmqctl = hasRabbitmqctl ? it : it.skip;

/** Each: the fault, the signal that the alert watches, what the runbook's commands show of it, what it says to do, and its end. */
describe('walking through the runbook', () => {
  let service: WalkedService;
  let forgotten: ForgottenSessions;

  beforeAll(async () => {
    service = await WalkedService.start();
    forgotten = new ForgottenSessions(service.database.pool);
  });
  afterAll(async () => {
    await service?.stop();
  });

  const publish = (count: number, change: Parameters<typeof usageEvent>[0] = {}) =>
    service.producer.publish(Array.from({ length: count }, () => usageEvent({ ...now(), ...change })));
  const now = () => ({ occurredAt: new Date().toISOString() });
  const metric = (name: string, labels?: Record<string, string>) => service.metric(name, labels);
  /** Resolves when everything that was published before is stored: a stream keeps its order. */
  async function drained(): Promise<void> {
    const eventId = randomUUID();
    await publish(1, { eventId });
    await eventually(async () => {
      const { rowCount } = await service.database.pool.query('select from usage_events where event_id = $1', [eventId]); // prettier-ignore
      expect(rowCount).toBe(1);
    }, 60_000);
  }
  const open = async (reason: string): Promise<Quarantined[]> => {
    const path = `/admin/quarantine?state=open&reason=${reason}`;
    return (await service.ask<{ events: Quarantined[] }>('GET', path)).events;
  };

  /** What Prometheus makes of it with the alert rules of the chart. */
  const alarmed = (...names: string[]) =>
    eventually(async () => expect(await service.prometheus.alarms()).toEqual(expect.arrayContaining(names)));
  const calm = (...names: string[]) =>
    eventually(async () => {
      const alarms = await service.prometheus.alarms();
      expect(alarms.filter((name) => names.length === 0 || names.includes(name))).toEqual([]);
    });

  afterEach(() => forgotten.letGo());

  it('is not needed while all is well: no alert is about to fire', async () => {
    await drained();
    await calm();
  });

  it.each([
    ['usage-data-stale', (pid: number) => new RegExp(`"blocked_by":\\[${pid}\\]`)],
    ['usage-backlog-growing', () => /"wait_event_type":"Lock"/],
    ['usage-freshness-budget-burn', () => /"lagSeconds":[1-9]/],
  ] as const)('%s: a session that holds a lock', async (runbook, sign) => {
    await drained();
    const culprit = await forgotten.lock('usage_event_keys');
    await publish(300);
    await eventually(async () => {
      expect(await metric('ingest_backlog_messages')).toBeGreaterThanOrEqual(300);
      expect(await metric('ingest_lag_seconds')).toBeGreaterThan(1);
      expect(await service.look(runbook)).toMatch(sign(culprit));
    });
    if (runbook === 'usage-data-stale' && hasRabbitmqctl) {
      await service.database.pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))',
        [culprit],
      );
      await eventually(async () => {
        const shown = await service.console(runbook);
        expect(shown).toMatch(/"level":"warn".*A batch cannot be committed now, trying it again/);
        expect(shown).toMatch(new RegExp(`^${STREAM.replaceAll('.', '\\.')}\tstream\t[0-9]+\trunning$`, 'm'));
      });
    }
    await forgotten.end(culprit);
    await drained();
    await eventually(async () => {
      expect(await metric('ingest_backlog_messages')).toBe(0);
      expect(await metric('ingest_lag_seconds')).toBeLessThan(5);
    });
  });

  it('usage-ingestion-absent: the process is gone', async () => {
    await service.kill('ingest');
    expect(await metric('ingest_lag_seconds')).toBeNaN();
    await alarmed('UsageIngestionAbsent');
    const shown = await service.console('usage-ingestion-absent');
    expect(shown).toMatch(
      /^usage-analytics-ingest-0 .*\n[^]*^Replicas: +2 desired[^]*"Reading a partition"/m,
    );
    service.kubernetes.scale('ingest', 0);
    const owners = async () => (await service.seen('usage-ingestion-absent')).map(({ owner }) => owner);
    const [former] = await owners();
    await publish(20);
    await eventually(async () => {
      const [{ silent_for: silentFor } = {}] = await service.seen('usage-ingestion-absent');
      expect((silentFor as { seconds?: number }).seconds).toBeGreaterThan(2);
    });
    expect(await service.console('usage-ingestion-absent', 2)).toContain('usage-analytics-ingest scaled');
    await drained();
    expect(await owners()).not.toContain(former);
    await calm('UsageIngestionAbsent');
    expect(await metric('ingest_lag_seconds')).toBeLessThan(10);
  });

  it('usage-canary-missing: the way in is cut', async () => {
    await eventually(async () => expect(await metric('canary_checks_total', { outcome: 'visible' })).toBeGreaterThan(0)); // prettier-ignore
    const failed = await metric('canary_checks_total', { outcome: 'failed' });
    await service.ingress.cut();
    await eventually(async () => expect(await metric('canary_checks_total', { outcome: 'failed' })).toBeGreaterThan(failed)); // prettier-ignore
    expect(await service.look('usage-canary-missing')).toContain('"status":"ok"');
    expect(await service.console('usage-canary-missing')).toContain('The canary got no answer'); // prettier-ignore
    await service.ingress.heal();
    const healed = Date.now() / 1_000;
    await eventually(async () => expect(await metric('canary_last_visible_timestamp_seconds')).toBeGreaterThan(healed)); // prettier-ignore
  });

  it('usage-dedupe-conflicts: another call under a used id', async () => {
    const eventId = randomUUID();
    await publish(1, { eventId, inputTokens: 1 });
    await publish(1, { eventId, inputTokens: 2 });
    await eventually(async () =>
      expect(await metric('ingest_events_total', { outcome: 'conflict' })).toBe(1),
    );
    const told = await service.look('usage-dedupe-conflicts');
    expect(told).toMatch(new RegExp(`"org_id":"${ORG_A}","conflicts":"1"`));
    expect(told).toContain(eventId);
    const receipt = await service.ask('GET', `/orgs/${ORG_A}/events/${eventId}`);
    expect(JSON.stringify(receipt)).toMatch(/"inputTokens":1\b.*"conflict"/);
    const [conflict] = await open('conflict');
    const reason = { reason: 'told differently by mistake' };
    const dismissed = await service.ask('POST', `/orgs/${ORG_A}/quarantine/${conflict?.quarantineId}/dismiss`, reason); // prettier-ignore
    expect(dismissed).toMatchObject({ status: 200, state: 'dismissed' });
    expect(await service.look('usage-dedupe-conflicts')).not.toContain('"conflicts"');
  });

  it('usage-rejects-high: a publisher that makes a mistake', async () => {
    const wrong = { ...usageEvent(), status: 'done' };
    await service.producer.publish([wrong]);
    await eventually(async () => expect(await metric('ingest_events_total', { outcome: 'quarantined' })).toBeGreaterThan(0)); // prettier-ignore
    const told = await service.look('usage-rejects-high');
    expect(told).toMatch(/"reason":"schema_violation","detail":"[^"]*status/);
    const [rejected] = await open('schema_violation');
    const payload = { ...wrong, status: 'success' };
    const replayed = await service.ask('POST', `/orgs/${ORG_A}/quarantine/${rejected?.quarantineId}/replay`, { payload }); // prettier-ignore
    expect(replayed).toMatchObject({ status: 200, state: 'replayed' });
    expect(await open('schema_violation')).toEqual([]);
  });

  it('usage-data-gap: somebody deletes the stream', async () => {
    await drained();
    const connection = await connect(service.vhost.url);
    const channel = await connection.createChannel();
    await channel.deleteQueue(STREAM);
    await connection.close();
    // Known at once by the message that lies below the cursor, when there is one again.
    await eventually(async () => {
      await publish(200);
      expect(await metric('ingest_open_data_gaps')).toBeGreaterThan(0);
    }, 40_000);
    await alarmed('UsageDataGap');
    expect(await service.look('usage-data-gap')).toMatch(/"kind":"recreated"[^]*"gapId"/);
    expect(await service.verify()).toBe(3);
    await publish(5);
    await drained();
    const { gaps } = await service.ask<{ gaps: { gapId: string }[] }>('GET', '/admin/data-gaps?state=open');
    for (const { gapId } of gaps) {
      const reason = { reason: 'nothing was lost, it had been read' };
      expect(await service.ask('POST', `/admin/data-gaps/${gapId}/acknowledge`, reason)).toMatchObject({ status: 200 }); // prettier-ignore
    }
    await eventually(async () => expect(await metric('ingest_open_data_gaps')).toBe(0));
    await calm('UsageDataGap');
    expect(await service.seen('usage-data-gap')).toEqual([]);
    expect(await service.verify()).toBe(0);
  });

  it('usage-exports-failing: the store denies', async () => {
    for (const operation of ['PutObject', 'CreateMultipartUpload'] as const)
      service.s3.proxy.inject('denied', operation);
    const window = { start: 'now-1d', end: 'now' };
    const { jobId } = await service.ask<{ jobId: string }>('POST', `/orgs/${ORG_A}/exports`, { window, granularity: 'hourly' }); // prettier-ignore
    const attempts = (outcome: string) => metric('export_duration_seconds_count', { outcome });
    await eventually(async () => expect(await attempts('retried')).toBeGreaterThanOrEqual(2));
    await alarmed('UsageExportsFailing');
    expect(await service.look('usage-exports-failing')).toMatch(
      new RegExp(`"job_id":"${jobId}".*"failure":".*(denied|403)`, 'i'),
    );
    expect(await service.console('usage-exports-failing')).toContain(jobId);
    service.s3.proxy.heal();
    await eventually(async () => expect(await attempts('succeeded')).toBeGreaterThan(0));
    expect(await service.ask('GET', `/orgs/${ORG_A}/exports/${jobId}`)).toMatchObject({
      state: 'succeeded',
      rowsWritten: expect.stringMatching(/^[1-9]/),
    });
  });

  it('usage-rollups-stalled: no worker is left', async () => {
    await service.kill('worker');
    await alarmed('UsageRollupsStalled');
    await publish(5, { occurredAt: new Date(Date.now() - 5 * 3_600_000).toISOString() });
    const dirty = async () =>
      (await service.seen('usage-rollups-stalled')).find(({ dirty_windows: count }) => count !== undefined)?.['dirty_windows']; // prettier-ignore
    await eventually(async () => expect(await dirty()).toBe('1'));
    await eventually(async () => {
      const lease = (await service.seen('usage-rollups-stalled')).find(({ name }) => name === 'rollups');
      // -Infinity: given back.
      expect(Number(lease?.['expires_at'])).toBeLessThan(Date.now());
    }, 40_000);
    await service.run('worker');
    await eventually(async () => expect(await dirty()).toBe('0'));
    await calm('UsageRollupsStalled');
  });

  it('usage-layers-differ: somebody wrote into a rollup', async () => {
    const relation = await relationBehind(service.database, 'usage_hourly');
    const { rowCount } = await service.database.pool.query(`update ${relation} set requests = requests + 1`);
    expect(rowCount).toBeGreaterThan(0);
    expect(await service.look('usage-layers-differ')).toMatch(/usage_hourly differs .*:\n +org/);
    const verifying = (schedule: string) => service.reconfigure({ VERIFY_SCHEDULE: schedule }, ['worker']);
    await verifying('* * * * * *');
    await alarmed('UsageLayersDiffer');
    await verifying('30 3 * * *');
    // A worker that starts tells what was found before it.
    await eventually(async () => expect(await metric('verify_differing_rows')).toBeGreaterThan(0));
    const window = { start: 'now-1d', end: 'now' };
    const { jobId } = await service.ask<{ jobId: string }>('POST', '/admin/reaggregations', { window });
    await eventually(async () => expect(await service.ask('GET', `/admin/reaggregations/${jobId}`)).toMatchObject({ state: 'succeeded' }), 90_000); // prettier-ignore
    expect(await service.look('usage-layers-differ')).toContain('All layers agree.');
    await verifying('* * * * * *');
    await calm('UsageLayersDiffer');
    await verifying('30 3 * * *');
  });

  it('usage-query-budget-burn: questions wait for a lock', async () => {
    const culprit = await forgotten.lock('rollup_state');
    const usage = () => service.ask('GET', `/orgs/${ORG_A}/usage?start=now-1d&end=now&granularity=hour`);
    const slow = async () => (await metric(`${QUERIES}_count`, USAGE)) - (await metric(`${QUERIES}_bucket`, { ...USAGE, le: '1' })); // prettier-ignore
    const before = await slow();
    const asked = usage();
    await eventually(async () => {
      const rows = await service.database.pool.query<{ blocked_by?: number[] }>(
        commandsOf('docs/runbooks/usage-query-budget-burn.md')[0]?.text ?? '',
      );
      expect(rows.rows.some(({ blocked_by: by }) => by?.includes(culprit))).toBe(true);
    });
    expect((await asked).status).toBe(422);
    // The canary asks as well.
    expect((await slow()) - before).toBeGreaterThanOrEqual(1);
    await forgotten.end(culprit);
    await eventually(async () => expect((await usage()).status).toBe(200));
  });

  itWithRabbitmqctl('usage-stream-horizon-short: more arrives than the stream keeps', async () => {
    await drained();
    const [bytes, at] = [await metric('ingest_stream_bytes_total'), Date.now()];
    await publish(3_000);
    await drained();
    const rate = ((await metric('ingest_stream_bytes_total')) - bytes) / ((Date.now() - at) / 1_000);
    const room = await metric('ingest_stream_max_bytes');
    expect(room / rate).toBeLessThan(86_400);
    const before = await service.firstOffset();
    await service.console('usage-stream-horizon-short', 2);
    const shown = await service.console('usage-stream-horizon-short');
    expect(shown).toMatch(
      new RegExp(`^${STREAM.replaceAll('.', '\\.')}\t.*max-length-bytes.*\tusage-streams$`, 'm'),
    );
    expect(shown).toMatch(/^Free disk space: [\d.]+ gb$/m);
    await publish(6_000);
    await drained();
    expect(await service.firstOffset()).toBeLessThanOrEqual(before + 3_000);
    await service.reconfigure({ AMQP_STREAM_MAX_BYTES: '100GB' });
    await drained();
    // 1 MB before, in the processes and in what the stream was declared with.
    expect(await metric('ingest_stream_max_bytes')).toBe(100_000 * room);
    expect(service.log('ingest')).toContain('A stream was declared with other limits');
  });

  itWithRabbitmqctl('usage-throughput-low: an organisation falls silent', async () => {
    await service.database.pool.query(
      `insert into ingest_ledger (org_id, hour, received, stored, duplicates, conflicts, quarantined)
       values ($1, date_trunc('hour', now() - interval '22 hours'), 7, 7, 0, 0, 0)`,
      [ORG_B],
    );
    expect(await service.look('usage-throughput-low')).toContain(ORG_B);
    const shown = await service.console('usage-throughput-low');
    expect(shown).toMatch(/^tester\t127\.0\.0\.1\trunning$/m);
    expect(shown).toMatch(/^analytics\.usage\ttopic$/m);
    await publish(1, { orgId: ORG_B });
    await eventually(async () => expect(await service.look('usage-throughput-low')).not.toContain(ORG_B));
  });

  itWithRabbitmqctl('runs every block for a terminal', () => {
    const pages = readdirSync(RUNBOOKS).map((file) => `docs/runbooks/${file}`);
    const blocks = pages.flatMap(commandsOf).filter(({ language }) => language === 'console');
    expect([...service.shownOnConsole].sort()).toEqual(blocks.map(({ name }) => name).sort());
  });
});
