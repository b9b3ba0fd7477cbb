import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';
import { ServiceProcess } from '../../src/cli/service-process';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import { csvRows } from '../support/csv';
import { eventually } from '../support/eventually';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestRedis, type TestRedis } from '../support/test-redis';
import { testServers } from '../support/test-servers';
import { usageEvent } from '../support/usage-events';

const ORGS = 12;
/** Larger than what any sum of a few foreign tokens could hide in. */
const PRIME = 10_007n;
const ROUNDS = 15;
const EVENTS_A_ROUND = 200;
/** Several rounds, so that each asks for what another one has left in the cache. */
const CACHED = '2s';

const SECRET = randomBytes(32).toString('base64url');
const sha256 = createHash('sha256').update(SECRET).digest('hex');
const numbers = Array.from({ length: ORGS }, (_, index) => index + 1);
const orgIdOf = (number: number): string => `0f0f0f0f-0000-4000-8000-${String(number).padStart(12, '0')}`;
const markOf = (number: number): string => `only-of-${String(number).padStart(4, '0')}`;
const principalOf = (number: number): string => `org${String(number).padStart(4, '0')}`;
const keyOf = (number: number): string => `ak_${principalOf(number)}_${SECRET}`;
const PLATFORM_KEY = `ak_platform_${SECRET}`;
const API_KEYS = JSON.stringify([
  { id: 'platform', sha256, orgId: null, roles: ['platform-admin'] },
  ...numbers.map((number) => ({
    id: principalOf(number),
    sha256,
    orgId: orgIdOf(number),
    roles: ['org-admin'],
  })),
]);

/** Every event of organisation n has n tokens modulo PRIME, in and out: a sum of k of its events has k times n. */
function eventOf(number: number): UsageEventPayload {
  const tokens = (): number => number + Number(PRIME) * randomInt(1, 50);
  const failed = randomInt(10) === 0;
  return usageEvent({
    orgId: orgIdOf(number),
    modelId: markOf(number),
    clientId: markOf(number),
    ...(failed && { status: 'error', errorCode: markOf(number) }),
    inputTokens: tokens(),
    outputTokens: tokens(),
    occurredAt: new Date(Date.now() - randomInt(1, 3 * 3_600_000)).toISOString(),
  });
}

type Row = Readonly<Record<string, unknown>>;

/** Every object within an answer that counts tokens; a change against the period before is a share, not a count. */
function countsIn(value: unknown): Row[] {
  if (typeof value !== 'object' || value === null) return [];
  const within = Object.entries(value).flatMap(([name, each]) => (name === 'change' ? [] : countsIn(each)));
  return 'requests' in value && 'inputTokens' in value ? [value, ...within] : within;
}

function isOf(number: number, { requests, inputTokens, outputTokens }: Row): boolean {
  const expected = BigInt(requests as string) * BigInt(number);
  return [inputTokens, outputTokens].every((tokens) => (BigInt(tokens as string) - expected) % PRIME === 0n);
}

/** What in a text belongs to another organisation than this one, or to any. */
function foreignIn(text: string, own?: number): number[] {
  return numbers.filter(
    (number) => number !== own && (text.includes(markOf(number)) || text.includes(orgIdOf(number))),
  );
}

describe('residues of organisations', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let directory: string;
  const replicas: ServiceProcess[] = [];
  const sent = new Map<number, number>();
  const wrong: string[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'residues-'));
    const engine = testServers().timescaleUrl === undefined ? 'postgres' : 'timescale';
    [database, redis] = await Promise.all([createTestDatabase(engine), createTestRedis()]);
    const settings = {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      API_KEYS,
      DATA_DIR: directory,
      FRESHNESS_CACHE_TTL: CACHED,
      RATE_LIMIT_PER_MINUTE: '100000',
      ROLLUP_REFRESH_INTERVAL: '1s',
    };
    for (const name of ['a', 'b'])
      replicas.push(await ServiceProcess.start(settings, join(directory, `${name}.log`)));
    await Promise.all(replicas.map((replica) => replica.ready()));
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await redis?.drop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  async function ask(path: string, key: string, init: RequestInit = {}) {
    const { url } = replicas[randomInt(replicas.length)] as ServiceProcess;
    const { 'content-type': _, ...given } = (init.headers ?? {}) as Record<string, string>;
    const headers = {
      'x-api-key': key,
      ...given,
      ...(init.body ? { 'content-type': 'application/json' } : {}),
    };
    const answer = await fetch(`${url}/analytics/v1${path}`, { ...init, headers });
    return { status: answer.status, text: await answer.text() };
  }

  /** Events of all organisations in one request, some of them twice. */
  async function send(): Promise<void> {
    const events = Array.from({ length: EVENTS_A_ROUND }, () => randomInt(1, ORGS + 1)).map((number) => {
      sent.set(number, (sent.get(number) ?? 0) + 1);
      return eventOf(number);
    });
    const { status } = await ask('/events', PLATFORM_KEY, { method: 'POST', body: JSON.stringify([...events, ...events.slice(0, 20)]) }); // prettier-ignore
    expect(status).toBe(202);
  }

  function check(what: string, number: number, text: string): void {
    const foreign = foreignIn(text, number);
    if (foreign.length > 0) wrong.push(`${what} of ${number} shows ${foreign.join(', ')}`);
    for (const counts of countsIn(JSON.parse(text)))
      if (!isOf(number, counts)) wrong.push(`${what} of ${number} counts ${JSON.stringify(counts)}`);
  }

  const QUESTIONS = ['usage', 'usage?groupBy=model,client', 'usage?granularity=15min&fill=zero', 'usage?granularity=minute&start=now-2h', 'usage?compare=previous&timezone=Asia/Kathmandu', 'summary', 'models', 'clients', 'reliability', 'errors', 'quarantine', 'exports', 'api-keys']; // prettier-ignore

  async function question(number: number, asked: string): Promise<void> {
    const { status, text } = await ask(`/orgs/${orgIdOf(number)}/${asked}`, keyOf(number));
    if (status !== 200) wrong.push(`${asked} of ${number} was answered ${status}`);
    check(asked, number, text);
  }

  it('hold in every answer, asked of two replicas with a cache between them, while events come', async () => {
    // What is cached first has something to show.
    await send();
    for (let round = 0; round < ROUNDS; round += 1) {
      const questions = numbers.flatMap((number) => [
        question(number, QUESTIONS[randomInt(QUESTIONS.length)] as string),
        question(number, 'freshness'),
      ]);
      await Promise.all([send(), ...questions]);
    }
    expect(wrong).toEqual([]);
    await Promise.all(numbers.map(countsWhatWasSent));
    expect(wrong).toEqual([]);
  });

  /** Nearly all events were late: they are counted once their hours are refreshed. */
  async function countsWhatWasSent(number: number): Promise<void> {
    await eventually(async () => {
      const { text } = await ask(`/orgs/${orgIdOf(number)}/usage?start=now-1d`, keyOf(number));
      check('the whole', number, text);
      const { totals } = JSON.parse(text) as { totals: Row };
      expect([number, totals['requests']]).toEqual([number, sent.get(number)]);
    }, 60_000);
  }

  it('hold in what the platform asks over all of them', async () => {
    const { text } = await ask('/usage?groupBy=org&start=now-1d', PLATFORM_KEY);
    const { series } = JSON.parse(text) as { series: Row[] };
    expect(series.length).toBeGreaterThanOrEqual(ORGS);
    for (const row of series) {
      const number = numbers.find((each) => orgIdOf(each) === row['orgId']) as number;
      expect([number, isOf(number, row)]).toEqual([number, true]);
    }
  });

  it('hold in exports, which run side by side', async () => {
    await Promise.all(
      numbers.map(async (number) => {
        const body = JSON.stringify({ window: { start: 'now-1d', end: 'now' }, granularity: 'hourly' });
        const path = `/orgs/${orgIdOf(number)}/exports`;
        const requested = await ask(path, keyOf(number), { method: 'POST', body });
        expect(requested.status).toBe(202);
        const { jobId } = JSON.parse(requested.text) as { jobId: string };
        await eventually(async () => {
          const { text } = await ask(`${path}/${jobId}`, keyOf(number));
          expect(JSON.parse(text)).toMatchObject({ state: 'succeeded' });
        }, 60_000);
        const { text } = await ask(`${path}/${jobId}/download`, keyOf(number));
        const rows = csvRows(text);
        expect(foreignIn(text, number)).toEqual([]);
        const counts = rows.map((row) => ({ requests: row['requests'], inputTokens: row['inputTokens'], outputTokens: row['outputTokens'] })); // prettier-ignore
        expect(counts.length).toBeGreaterThan(0);
        expect(counts.filter((row) => !isOf(number, row))).toEqual([]);
        check('the manifest', number, (await ask(`${path}/${jobId}/manifest`, keyOf(number))).text);
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('hold in the cache: no entry of one organisation has anything of another', async () => {
    await Promise.all(numbers.map((number) => ask(`/orgs/${orgIdOf(number)}/freshness`, keyOf(number))));
    const client = new Redis(redis.url);
    try {
      const keys = await client.keys('*');
      // Those of the limit of requests name their principal, those of answers their organisation.
      for (const kind of ['freshness', 'limit'])
        expect(keys.filter((key) => key.startsWith(`usage-analytics:${kind}`)).length).toBeGreaterThanOrEqual(ORGS); // prettier-ignore
      for (const key of keys) {
        const [number, ...others] = foreignIn(key);
        expect([key, others]).toEqual([key, []]);
        expect([key, foreignIn((await client.get(key)) ?? '', number)]).toEqual([key, []]);
      }
    } finally {
      client.disconnect();
    }
  });

  it('are in no metric, and every line of the log names only whom it is about', async () => {
    for (const { url, logFile } of replicas) {
      expect(foreignIn(await (await fetch(`${url}/metrics`)).text())).toEqual([]);
      const lines = readFileSync(logFile, 'utf8').trim().split('\n');
      expect(lines.length).toBeGreaterThan(ROUNDS);
      for (const line of lines) {
        const { principalId, orgId } = JSON.parse(line) as { principalId?: string; orgId?: string };
        const number = numbers.find((each) => principalOf(each) === principalId || orgIdOf(each) === orgId);
        expect([line, foreignIn(line, number)]).toEqual([line, []]);
        expect(line).not.toContain('only-of-');
        expect(line).not.toContain(SECRET);
      }
    }
  });
});
