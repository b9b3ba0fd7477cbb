import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { verify } from '../../src/certificates/verification';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { Producer } from '../support/producer';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const PATH = '/admin/replays';

describeEachEngine('replays', (kind) => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let service: TrialService;
  let producer: Producer;
  const now = Date.now();
  const iso = (instant: number): string => new Date(instant).toISOString();
  const from = Math.floor(now / DAY_MS) * DAY_MS - 3 * DAY_MS;
  const until = Math.floor(now / DAY_MS) * DAY_MS - DAY_MS;

  beforeEach(async () => {
    [database, vhost] = await Promise.all([createTestDatabase(kind), createTestVhost()]);
    service = await startTrial(database, {
      now: new Date(now),
      settings: {
        AMQP_URL: vhost.url,
        SERVICE_ROLES: 'api,ingest',
        INGEST_BATCH_SIZE: '200',
        INGEST_BATCH_MAX_WAIT: '20ms',
      },
      principals: { viewer: { orgId: ORG_A, roles: ['org-admin'] } },
    });
    producer = await Producer.whenDeclared(vhost.url);
  });
  afterEach(async () => {
    await producer?.close();
    await service?.close();
    await Promise.all([database?.drop(), vhost?.drop()]);
  });

  async function rowsOf<Row extends object>(query: string, values: unknown[] = []): Promise<Row[]> {
    return (await database.pool.query<Row>(query, values)).rows;
  }
  async function read(offset: number): Promise<void> {
    await eventually(async () =>
      expect(await rowsOf('select next_offset::integer from ingest_cursors')).toEqual([
        { next_offset: offset },
      ]),
    );
  }
  async function replay(body: object) {
    const { status, body: asked } = await service.send('POST', PATH, body);
    expect([status, asked.detail]).toEqual([202, undefined]);
    return eventually(async () => {
      const { body: replayed } = await service.send('GET', `${PATH}/${asked.replayId}`);
      expect(replayed).toMatchObject({ state: 'succeeded' });
      return replayed;
    });
  }

  /** Good, doubled, conflicting, invalid, late and batched events, spread over the window; how many there are. */
  async function publishMixture(): Promise<number> {
    const at = (index: number): string => iso(from + ((index * 7_919_000) % (until - from)));
    const good = Array.from({ length: 900 }, (_, index) =>
      usageEvent({
        orgId: index % 3 === 0 ? ORG_B : ORG_A,
        occurredAt: at(index),
        latencyMs: index,
        modelId: `m${index % 4}`,
      }),
    );
    const doubled = good.slice(0, 60);
    const conflicting = good.slice(60, 90).map((event) => ({ ...event, outputTokens: 999 }));
    const moved = good.slice(90, 110).map((event, index) => ({ ...event, occurredAt: at(index + 5) }));
    const invalid = Array.from({ length: 15 }, (_, index) =>
      usageEvent({ occurredAt: at(index), inputTokens: -1 }),
    );
    const late = Array.from({ length: 10 }, () => usageEvent({ occurredAt: iso(now - 9 * DAY_MS) }));
    const batched = [good.splice(800, 100)];
    await producer.publish([
      ...good,
      ...doubled,
      Buffer.from('{'),
      ...conflicting,
      ...moved,
      ...invalid,
      ...late,
      ...batched,
    ]);
    await read(good.length + 60 + 1 + 30 + 20 + 15 + 10 + 1);
    return 900 + 60 + 1 + 30 + 20 + 15 + 10;
  }

  async function answers() {
    const window = `start=${iso(from)}&end=${iso(until)}`;
    const ask = async (path: string) => {
      const { body } = await service.send('GET', path);
      return { series: body.series, totals: body.totals };
    };
    return {
      usage: await ask(`/orgs/${ORG_A}/usage?${window}&granularity=hour&groupBy=model`),
      other: await ask(`/orgs/${ORG_B}/usage?${window}&granularity=day`),
      reliability: await ask(`/orgs/${ORG_A}/reliability?${window}&granularity=hour`),
      account: await rowsOf(`select * from ingest_ledger where hour < $1 order by org_id, hour`, [
        new Date(until),
      ]),
      quarantine: await rowsOf('select quarantine_id, state from quarantined_events order by 1'),
      stored: await rowsOf('select count(*) from usage_events where occurred_at < $1', [new Date(until)]),
      dirty: await rowsOf('select org_id, hour from dirty_windows where hour < $1 order by 1, 2', [
        new Date(until),
      ]),
    };
  }
  const differing = async (): Promise<number> =>
    (await verify(database.pool, { now: new Date(now), orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, lateHorizon: 7 * DAY_MS, listed: 1 })).differing; // prettier-ignore

  it('of the whole stream change no answer, during live ingestion, within the dedupe window and after it', async () => {
    const published = await publishMixture();
    await service.refresh();
    const before = await answers();
    expect(before.stored).toEqual([{ count: '900' }]);

    let live = 0;
    let going = true;
    const feeding = (async () => {
      for (; going; await sleep(10)) {
        const batch = Array.from({ length: 20 }, () => usageEvent({ occurredAt: iso(now - Math.random() * HOUR_MS / 2) })); // prettier-ignore
        await producer.publish(batch);
        live += batch.length;
      }
    })();
    const seen: string[] = [];
    const watching = (async () => {
      for (; going; await sleep(5)) seen.push(JSON.stringify(await answers()));
    })();
    for (const fromOffset of [0, 0]) {
      const done = await replay({ partition: 0, fromOffset });
      expect(done.found).toMatchObject({
        stored: 0,
        quarantined: 0,
        conflicts: 0,
        expired: 0,
        known: 1 + 30 + 20 + 15 + 10,
      });
      expect(done.found.received).toBeGreaterThanOrEqual(published);
      expect(done.nextOffset).toBe(done.toOffset);
    }
    expect(await answers()).toEqual(before);
    going = false;
    await Promise.all([feeding, watching]);
    expect(seen.length).toBeGreaterThan(2);
    expect(new Set(seen)).toEqual(new Set([JSON.stringify(before)]));

    await database.pool.query('truncate usage_event_keys');
    const { found } = await replay({ partition: 0, fromTime: 'now-1d' });
    expect(found).toMatchObject({ stored: 0, quarantined: 0, conflicts: 0 });
    expect(await answers()).toEqual(before);
    await eventually(async () =>
      expect(await rowsOf('select count(*)::integer as stored from usage_events')).toEqual([
        { stored: 900 + live },
      ]),
    );
    await service.refresh();
    expect(await differing()).toBe(0);
  });

  it('store what is missing, and only that', async () => {
    await publishMixture();
    await service.refresh();
    const [{ event_ids: lost = [] } = {}] = await rowsOf<{ event_ids: string[] }>(
      'select array_agg(event_id) as event_ids from (select event_id from usage_events order by event_id limit 7) as missing',
    );
    await database.pool.query('delete from usage_events where event_id = any($1)', [lost]);
    await database.pool.query('delete from usage_event_keys where event_id = any($1)', [lost]);
    const { found } = await replay({ partition: 0, fromOffset: 0 });
    expect(found).toMatchObject({ stored: 7, quarantined: 0, conflicts: 0 });
    expect(await rowsOf('select count(*)::integer as stored from usage_events')).toEqual([{ stored: 900 }]);
    const again = await replay({ partition: 0, fromOffset: 0 });
    expect(again.found).toMatchObject({ stored: 0 });
  });

  it('begin where they are told to, and leave what a decision was made on', async () => {
    await publishMixture();
    const { body } = await service.send('GET', `/orgs/${ORG_A}/quarantine?reason=schema_violation&limit=1`);
    const [{ quarantineId }] = body.events;
    await service.send('POST', `/orgs/${ORG_A}/quarantine/${quarantineId}/dismiss`, { reason: 'a test' });
    const [{ next = 0 } = {}] = await rowsOf<{ next: number }>(
      'select next_offset::integer as next from ingest_cursors',
    );
    const { found, nextOffset } = await replay({ partition: 0, fromOffset: next - 12 });
    expect([found.messages, nextOffset]).toEqual([12, next]);
    expect(found).toMatchObject({ received: 111, stored: 0, duplicates: 100, known: 11 });
    const after = await service.send('GET', `/orgs/${ORG_A}/quarantine/${quarantineId}`);
    expect(after.body.state).toBe('dismissed');
  });

  it('go on where their process died, and end when they are cancelled', async () => {
    await publishMixture();
    await database.pool.query(
      `insert into replay_requests (partition, incarnation, from_offset, to_offset, requested_by, state, attempt, worker,
         heartbeat_at, next_offset, messages, received, duplicates)
       select 0, 1, 0, next_offset, 'x', 'running', 1, 'dead', now() - interval '31 seconds', 500, 500, 500, 500
       from ingest_cursors`,
    );
    await eventually(async () => {
      const { body } = await service.send('GET', PATH);
      expect(body.replays[0]).toMatchObject({ state: 'succeeded', attempt: 2 });
      expect(body.replays[0].found.messages).toBe(body.replays[0].toOffset);
    });
    await database.pool.query(
      `insert into replay_requests (partition, incarnation, from_offset, to_offset, requested_by, available_at)
       values (0, 1, 0, 5, 'x', now() + interval '1 hour')`,
    );
    const { body } = await service.send('GET', `${PATH}?state=pending`);
    const [{ replayId }] = body.replays;
    const other = await service.send('POST', PATH, { partition: 0, fromOffset: 3 });
    expect([other.status, other.body.detail]).toEqual([409, expect.stringContaining(replayId)]);
    expect((await service.send('DELETE', `${PATH}/${replayId}`)).body.state).toBe('cancelled');
    expect((await service.send('DELETE', `${PATH}/${replayId}`)).status).toBe(200);
    expect((await service.send('DELETE', `${PATH}/${randomUUID()}`)).status).toBe(404);
  });

  it('are refused with what would do', async () => {
    await producer.publish([usageEvent(), usageEvent()]);
    await read(2);
    for (const [body, pointer] of [
      [{}, '/partition'],
      [{ partition: '0', fromOffset: 0 }, '/partition'],
      [{ partition: -1, fromOffset: 0 }, '/partition'],
      [{ partition: 1, fromOffset: 0 }, '/partition'],
      [{ partition: 0 }, '/fromOffset'],
      [{ partition: 0, fromOffset: 0, fromTime: 'now-1h' }, '/fromOffset'],
      [{ partition: 0, fromOffset: -1 }, '/fromOffset'],
      [{ partition: 0, fromOffset: 1.5 }, '/fromOffset'],
      [{ partition: 0, fromOffset: 'first' }, '/fromOffset'],
      [{ partition: 0, fromOffset: 2 }, '/fromOffset'],
      [{ partition: 0, fromTime: 'yesterday' }, '/fromTime'],
      [{ partition: 0, fromTime: 'now+1h' }, '/fromTime'],
      [{ partition: 0, fromOffset: 0, to: 5 }, '/to'],
    ] as const) {
      const answer = await service.send('POST', PATH, body);
      expect([body, answer.status, answer.headers['content-type']]).toEqual([
        body,
        400,
        'application/problem+json',
      ]);
      expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringMatching(/must|known/) });
    }
    expect((await service.send('GET', `${PATH}/7`)).body.errors[0].parameter).toBe('replayId');
    expect((await service.send('GET', PATH, undefined, keyOf('viewer'))).status).toBe(403);
    expect((await service.send('POST', PATH, {}, keyOf('viewer'))).status).toBe(403);
  });
});
