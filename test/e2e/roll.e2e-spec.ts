import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { events, STANDARD_LOAD } from '../../src/cli/bench/load-shape';
import { VisibleDelay } from '../../src/cli/bench/visible-delay';
import { eventually } from '../support/eventually';
import { Producer } from '../support/producer';
import { RollingService } from '../support/rolling-service';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { testServers } from '../support/test-servers';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { usageEvent } from '../support/usage-events';

/**
 * Set to measure, on a machine that does nothing else; 3000 is what the service promises for two cores. Only then is the
 * delay held against its limit. The default leaves room for other tests.
 */
const MEASURED_RATE = process.env['ROLL_EVENTS_PER_SECOND'];
const EVENTS_PER_SECOND = Number(MEASURED_RATE ?? 300);
const MOST_DELAY_MS = 5_000;
const ROLES = ['api', 'ingest', 'worker'] as const;
const SEND_EVERY_MS = 50;
const ASK_EVERY_MS = 50;
const REST_MS = 1_000;

const SECRET = randomBytes(32).toString('base64url');
const KEY = `ak_roll_${SECRET}`;
const API_KEYS = JSON.stringify([
  {
    id: 'roll',
    sha256: createHash('sha256').update(SECRET).digest('hex'),
    orgId: null,
    roles: ['platform-admin'],
  },
]);

describe(`two replicas of each role, rolled one after the other under ${EVENTS_PER_SECOND} events/s`, () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let directory: string;
  let producer: Producer | undefined;
  const services = new Map<string, RollingService>();

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'roll-'));
    const engine = testServers().timescaleUrl === undefined ? 'postgres' : 'timescale';
    [database, vhost] = await Promise.all([createTestDatabase(engine), createTestVhost()]);
    const settings = {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      AMQP_URL: vhost.url,
      REDIS_URL: testServers().redisUrl,
      API_KEYS,
      INGEST_PARTITIONS: '2',
    };
    for (const role of ROLES) services.set(role, await RollingService.start(role, 2, settings, directory));
    producer = await Producer.connect(vhost.url);
  });
  afterAll(async () => {
    await producer?.close();
    await Promise.all([...services.values()].map((service) => service.stop()));
    await vhost?.drop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  it('loses and doubles nothing, fails no request, and shows every event within 5 s', async () => {
    const delay = new VisibleDelay();
    const failures: string[] = [];
    const started = new Date();
    let confirmed = 0;
    let isRolling = true;

    const counted = async (): Promise<number> => {
      const search = new URLSearchParams({
        start: new Date(started.getTime() - 3_600_000).toISOString(),
        end: new Date(Date.now() + 60_000).toISOString(),
        granularity: 'hour',
      });
      const url = `${services.get('api')?.url}/analytics/v1/usage?${search.toString()}`;
      const answer = await fetch(url, { headers: { 'x-api-key': KEY } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status} ${text}`);
      return (JSON.parse(text) as { totals: { requests: number } }).totals.requests;
    };
    const send = async (): Promise<void> => {
      const began = performance.now();
      for (let sent = 0; isRolling;) {
        const due = Math.floor(((performance.now() - began) / 1_000) * EVENTS_PER_SECOND) - sent;
        const seed = sent + 1;
        if (due > 0) {
          await producer?.publish([...events(due, { ...STANDARD_LOAD, seed, spanSeconds: 1 })]);
          sent += due;
          confirmed += due;
          delay.noteConfirmed(performance.now(), confirmed);
        }
        await sleep(SEND_EVERY_MS);
      }
    };
    /** The other way in: through the replicas of the API that are being rolled. */
    const post = async (): Promise<void> => {
      while (isRolling) {
        const answer = await fetch(`${services.get('api')?.url}/analytics/v1/events`, {
          method: 'POST',
          headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
          body: JSON.stringify(usageEvent()),
        }).catch((error: unknown) => String(error));
        if (typeof answer !== 'string' && answer.status === 202) confirmed += 1;
        else failures.push(typeof answer === 'string' ? answer : `${answer.status} ${await answer.text()}`);
        await sleep(ASK_EVERY_MS);
      }
    };
    const ask = async (): Promise<void> => {
      while (isRolling) {
        const askedAt = performance.now();
        await counted().then(
          (count) => delay.noteSeen(askedAt, count),
          (error: unknown) => failures.push(String(error)),
        );
        await sleep(ASK_EVERY_MS);
      }
    };

    const running = Promise.all([send(), ask(), post()]);
    const codes: (number | null)[] = [];
    for (const role of ROLES) {
      await sleep(REST_MS);
      codes.push(...((await services.get(role)?.roll()) ?? []));
    }
    await sleep(REST_MS);
    isRolling = false;
    await running;

    expect(failures).toEqual([]);
    expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
    await eventually(async () => expect(await counted()).toBe(confirmed));
    const { rows } = await database.pool.query<{ events: string; identities: string }>(
      'select count(*) as events, count(distinct (org_id, event_id)) as identities from usage_events',
    );
    expect(rows).toEqual([{ events: String(confirmed), identities: String(confirmed) }]);
    const { longest, p99, questions } = delay.result();
    process.stderr.write(
      `${confirmed} events, ${questions} questions; visible after ${longest.toFixed(0)} ms at most, ${p99.toFixed(0)} ms p99\n`,
    );
    expect(questions).toBeGreaterThan(50);
    if (MEASURED_RATE) expect(longest).toBeLessThan(MOST_DELAY_MS);
  });
});
