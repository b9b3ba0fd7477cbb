import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceProcess } from '../../src/cli/service-process';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { outputOf } from '../support/debian-tools';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { relationBehind } from '../support/relation-behind';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { ORG_A, usageEvent } from '../support/usage-events';

const ROOT = join(__dirname, '..', '..');
const SECRET = randomBytes(32).toString('base64url');
const KEY = `ak_operator_${SECRET}`;
const sha256 = createHash('sha256').update(SECRET).digest('hex');
const API_KEYS = JSON.stringify([{ id: 'operator', sha256, orgId: null, roles: ['platform-admin'] }]);
const PLATFORM = '00000000-0000-0000-0000-000000000000';
const DAY = Math.floor(Date.now() / DAY_MS - 2) * DAY_MS;
const iso = (instant: number): string => new Date(instant).toISOString();

/** Every rollup, and the organisation of its rows; the second group is held against the first. */
const ROLLUPS: readonly (readonly (readonly [string, string])[])[] = [
  [
    ['usage_15min', ORG_A],
    ['usage_hourly', ORG_A],
    ['usage_daily', ORG_A],
    ['latency_hourly', ORG_A],
    ['latency_daily', ORG_A],
  ],
  [
    ['org_usage_hourly', ORG_A],
    ['org_usage_daily', ORG_A],
    ['model_latency_hourly', PLATFORM],
    ['model_latency_daily', PLATFORM],
  ],
];

/** Views on plain PostgreSQL. */
const ONLY_ON_TIMESCALE = [
  ['org_usage_15min', ORG_A],
  ['org_latency_hourly', ORG_A],
  ['org_latency_daily', ORG_A],
  ['platform_latency_hourly', PLATFORM],
  ['platform_latency_daily', PLATFORM],
] as const;

describeEachEngine('npm run verify', (engine) => {
  let database: TestDatabase;
  let service: ServiceProcess;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'verify-'));
    database = await createTestDatabase(engine);
    service = await ServiceProcess.start(
      {
        NODE_ENV: 'test',
        DATABASE_URL: database.url,
        DATA_DIR: directory,
        API_KEYS,
        ROLLUP_REFRESH_INTERVAL: '1s',
      },
      join(directory, 'service.log'),
    );
    await service.ready();
    const events = Array.from({ length: 48 }, (_, index) =>
      usageEvent({ occurredAt: iso(DAY + (index * HOUR_MS) / 2), latencyMs: 100 * index }),
    );
    expect((await send('POST', '/events', events)).status).toBe(202);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  async function send(method: string, path: string, body?: unknown) {
    const answer = await fetch(`${service.url}/analytics/v1${path}`, {
      method,
      headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  const verify = (...options: string[]) =>
    outputOf(process.execPath, ['cli.mjs', 'verify', ...options], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: database.url, DATA_DIR: directory, NODE_ENV: 'test' },
    });

  async function plant(rollup: string, org: string): Promise<void> {
    const relation = await relationBehind(database, rollup);
    const { rowCount } = await database.pool.query(
      `update ${relation} set requests = requests + 1 where (tableoid, ctid) = (
         select tableoid, ctid from ${relation}
         where org_id = $1 and bucket >= $2 and bucket < $3 order by bucket limit 1)`,
      [org, new Date(DAY), new Date(DAY + DAY_MS)],
    );
    expect([rollup, rowCount]).toEqual([rollup, 1]);
  }

  async function reaggregate(): Promise<void> {
    const window = { start: iso(DAY), end: iso(DAY + DAY_MS) };
    const asked = await send('POST', '/admin/reaggregations', { window });
    expect(asked.status).toBe(202);
    await eventually(async () => {
      const { body } = await send('GET', `/admin/reaggregations/${String(asked.body['jobId'])}`);
      expect(body['state']).toBe('succeeded');
    }, 90_000);
  }

  it('names what was planted in every rollup, and finds it no more after a re-aggregation', async () => {
    await eventually(async () => {
      const { rows } = await database.pool.query<{ rows: string }>(
        `select count(*) as rows from ${await relationBehind(database, 'model_latency_daily')}`,
      );
      expect(Number(rows[0]?.rows)).toBeGreaterThan(0);
      expect((await verify()).code).toBe(0);
    });
    const ofEngine = engine === 'timescale' ? [...ROLLUPS, ONLY_ON_TIMESCALE] : ROLLUPS;
    for (const group of ofEngine) {
      for (const [rollup, org] of group) await plant(rollup, org);
      const { code, text } = await verify();
      expect(code).toBe(1);
      for (const [rollup, org] of group) {
        const named = `\\n  ${rollup} differs .*:\\n    org ${org} at ${iso(DAY).slice(0, 11)}.*requests \\d+ instead of \\d+`;
        expect(text).toMatch(new RegExp(named));
      }
      await reaggregate();
      expect(await verify()).toMatchObject({ code: 0, text: expect.stringContaining('All layers agree.') });
    }
  });

  it('refuses options that make no sense, and says what would', async () => {
    expect(await verify('--start', 'yesterday')).toMatchObject({
      code: 2,
      text: expect.stringContaining('ISO 8601'),
    });
    expect(await verify('--org', 'nobody')).toMatchObject({ code: 2, text: expect.stringContaining('UUID') });
  });
});
