import { randomUUID } from 'node:crypto';
import { verify } from '../../src/certificates/verification';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { ownPartition, type Stream } from '../support/owned-partition';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const TODAY = Date.UTC(2026, 10, 18);
const iso = (instant: number): string => new Date(instant).toISOString();
const onTime = iso(TODAY - HOUR_MS);

describeEachEngine('the quarantine', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let stream: Stream;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, {
      now: NOW,
      principals: {
        viewerA: { orgId: ORG_A, roles: ['org-viewer'] },
        viewerB: { orgId: ORG_B, roles: ['org-viewer'] },
      },
    });
    stream = await ownPartition(database, service);
  });
  afterEach(async () => {
    await service?.close();
    await database?.drop();
  });

  const list = async (query = '', path = `/orgs/${ORG_A}/quarantine`) => {
    const { status, body } = await service.send('GET', `${path}?${query}`);
    expect([status, body.detail]).toEqual([200, undefined]);
    return body;
  };
  const onlyId = async (): Promise<string> => (await list('state=open')).events[0].quarantineId;
  const replay = (id: string, body: object = {}, org = ORG_A) =>
    service.send('POST', `/orgs/${org}/quarantine/${id}/replay`, body);
  const stored = async (): Promise<number> =>
    (await database.pool.query('select from usage_events')).rowCount ?? 0;
  const requests = async (start: number, end: number) => {
    const path = `/orgs/${ORG_A}/usage?start=${iso(start)}&end=${iso(end)}&granularity=day`;
    const { body } = await service.send('GET', path);
    return [body.totals.requests, body.freshness.final];
  };

  it('is listed in pages, newest first, by state, reason, time and offset', async () => {
    for (let index = 0; index < 5; index += 1) {
      await stream(
        usageEvent({ status: 'wrong' as 'error' }),
        Buffer.from('{'),
        usageEvent({ occurredAt: onTime }),
      );
    }
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { events: { quarantineId: string }[]; nextCursor: string | null } = await list(
        `limit=2${cursor ? `&cursor=${cursor}` : ''}`,
      );
      seen.push(...page.events.map(({ quarantineId }) => quarantineId));
      cursor = page.nextCursor;
    }
    expect([seen.length, new Set(seen).size]).toEqual([5, 5]);
    const { events } = await list();
    expect(events.map(({ streamOffset }: { streamOffset: number }) => streamOffset)).toEqual([
      12, 9, 6, 3, 0,
    ]);
    expect(events[0]).toMatchObject({
      reason: 'schema_violation',
      state: 'open',
      orgId: ORG_A,
      reviewedBy: null,
    });
    expect((await list('fromOffset=3&toOffset=9')).events).toHaveLength(2);
    expect((await list('reason=conflict,too_late')).events).toEqual([]);
    expect((await list('start=now-1y&end=now-1d')).events).toEqual([]);
    // What names no organisation is the platform's to see.
    expect((await list('', '/admin/quarantine')).events).toHaveLength(10);
    expect((await list('reason=not_json', '/admin/quarantine')).events).toHaveLength(5);
  });

  it('keeps what arrived and stores it corrected, once, with who and when', async () => {
    const event = usageEvent({ occurredAt: onTime, inputTokens: -1 });
    await stream(event);
    const id = await onlyId();
    const shown = await service.send('GET', `/orgs/${ORG_A}/quarantine/${id}`);
    expect(JSON.parse(shown.body.payload)).toEqual(event);
    expect(shown.body).toMatchObject({
      payloadEncoding: 'utf-8',
      payloadTruncated: false,
      correctedPayload: null,
    });

    const unchanged = await replay(id);
    expect([unchanged.status, unchanged.body.detail]).toEqual([422, expect.stringContaining('/inputTokens')]);
    expect(await stored()).toBe(0);
    const corrected = { ...event, inputTokens: 12 };
    const { status, body } = await replay(id, { payload: corrected, reason: 'fixed by the router team' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: 'replayed',
      replayOutcome: 'stored',
      reviewedBy: 'reader',
      reviewReason: 'fixed by the router team',
      correctedPayload: corrected,
    });
    expect(Date.parse(body.reviewedAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(await stored()).toBe(1);
    expect((await replay(id, { payload: corrected })).status).toBe(409);
    expect(
      (await service.send('POST', `/orgs/${ORG_A}/quarantine/${id}/dismiss`, { reason: 'late' })).status,
    ).toBe(409);
    await service.refresh();
    const { differing } = await verify(database.pool, { now: NOW, orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, lateHorizon: 7 * DAY_MS, listed: 1 }); // prettier-ignore
    expect(differing).toBe(0);
  });

  it('stores an event that was in the future once its time has come', async () => {
    await stream(usageEvent({ occurredAt: iso(NOW.getTime() + HOUR_MS) }));
    const id = await onlyId();
    expect((await replay(id)).status).toBe(422);
    service.now = new Date(NOW.getTime() + HOUR_MS);
    expect((await replay(id)).body).toMatchObject({
      state: 'replayed',
      replayOutcome: 'stored',
      correctedPayload: null,
    });
  });

  it('never stores a conflict as it is, and stores it under an identity of its own', async () => {
    const event = usageEvent({ occurredAt: onTime });
    await stream(event, { ...event, outputTokens: 99 });
    const id = await onlyId();
    const refused = await replay(id);
    expect([refused.status, refused.body.detail]).toEqual([
      409,
      expect.stringContaining('eventId of its own'),
    ]);
    // Also when the key has left the dedupe window, whatever its time.
    await database.pool.query('truncate usage_event_keys');
    expect((await replay(id)).status).toBe(409);
    expect((await replay(id, { payload: { ...event, occurredAt: iso(TODAY - 2 * HOUR_MS) } })).status).toBe(
      409,
    );
    expect(await stored()).toBe(1);
    const own = { ...event, outputTokens: 99, eventId: randomUUID() };
    expect((await replay(id, { payload: own })).body).toMatchObject({ replayOutcome: 'stored' });
    expect(await stored()).toBe(2);
  });

  it('takes a replay whose end was lost for what it is: stored already', async () => {
    const event = usageEvent({ occurredAt: onTime, inputTokens: -1 });
    await stream(event);
    const id = await onlyId();
    const corrected = { ...event, inputTokens: 12 };
    await replay(id, { payload: corrected });
    await database.pool.query(
      `update quarantined_events set state = 'open', reviewed_at = null, reviewed_by = null, replay_outcome = null`,
    );
    expect((await replay(id, { payload: corrected })).body).toMatchObject({ replayOutcome: 'duplicate' });
    expect(await stored()).toBe(1);
  });

  it.each([
    ['NUL', { x: 'a\u0000b' }],
    ['NUL in a name', { x: { 'a\u0000b': 1 } }],
    ['a lone surrogate', { x: ['\ud800'] }],
    ['a lone surrogate in a name', { '\udfff': 1 }],
  ])('stores nothing of a corrected payload that could not be kept as it is: %s', async (_, unstorable) => {
    const event = usageEvent({ occurredAt: onTime, inputTokens: -1 });
    await stream(event);
    const id = await onlyId();
    const refused = await replay(id, { payload: { ...event, inputTokens: 12, ...unstorable } });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([
      400,
      expect.stringMatching(/^\/payload/),
    ]);
    expect([await stored(), await onlyId()]).toEqual([0, id]);
  });

  it('stores an event once when two operators replay it at the same time', async () => {
    const event = usageEvent({ occurredAt: onTime, inputTokens: -1 });
    await stream(event);
    const id = await onlyId();
    const payload = { ...event, inputTokens: 12 };
    const answers = await Promise.all(Array.from({ length: 6 }, () => replay(id, { payload })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409]);
    expect(await stored()).toBe(1);
  });

  it('lets an operator dismiss an event with a reason, and only with one', async () => {
    await stream(usageEvent({ occurredAt: onTime, inputTokens: -1 }));
    const path = `/orgs/${ORG_A}/quarantine/${await onlyId()}/dismiss`;
    for (const body of [{}, { reason: '' }, { reason: '  ' }, { reason: 7 }, { reason: 'x'.repeat(1_001) }]) {
      const { status, body: problem } = await service.send('POST', path, body);
      expect([status, problem.errors[0].pointer]).toEqual([400, '/reason']);
    }
    const { status, body } = await service.send('POST', path, { reason: 'a test of the router' });
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({
        state: 'dismissed',
        reviewedBy: 'reader',
        reviewReason: 'a test of the router',
      }),
    ]);
  });

  describe('of late events', () => {
    const late = TODAY - 9 * DAY_MS + 5 * HOUR_MS;
    const day = [TODAY - 9 * DAY_MS, TODAY - 8 * DAY_MS] as const;

    it('keeps them from every answer until an operator admits them; then they count, and answers are final again', async () => {
      await stream(usageEvent({ occurredAt: iso(TODAY - 6 * DAY_MS) }));
      await database.pool.query('update ingest_cursors set data_through = $1', [NOW]);
      service.now = NOW;
      await service.refresh();
      expect(await stream(usageEvent({ occurredAt: iso(late) }))).toMatchObject({
        stored: 0,
        quarantined: 1,
      });
      await service.refresh();
      expect(await requests(...day)).toEqual([0, true]);

      const id = await onlyId();
      const refused = await replay(id);
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/admitLate']);
      expect(refused.body.detail).toContain('admitLate: true');
      const { status, body } = await replay(id, { admitLate: true });
      expect([status, body.replayOutcome]).toEqual([200, 'stored']);
      expect((await requests(...day))[1]).toBe(false);
      await service.refresh();
      expect(await requests(...day)).toEqual([1, true]);
      const { differing } = await verify(database.pool, { now: NOW, orgId: null, start: null, end: null, retentionHourly: 396 * DAY_MS, lateHorizon: 7 * DAY_MS, listed: 1 }); // prettier-ignore
      expect(differing).toBe(0);
    });

    it('admits nothing whose day of single events is gone, and says from when on they are kept', async () => {
      await stream(usageEvent({ occurredAt: iso(TODAY - 40 * DAY_MS) }));
      const { status, body } = await replay(await onlyId(), { admitLate: true });
      expect(status).toBe(422);
      expect(body.detail).toContain(iso(TODAY - 29 * DAY_MS));
      await service.refresh();
      await service.expire();
      await stream(usageEvent({ occurredAt: iso(TODAY - 31 * DAY_MS + HOUR_MS) }));
      const second = await replay(await onlyId(), { admitLate: true });
      expect(second.body.detail).toContain(iso(TODAY - 31 * DAY_MS).slice(0, 7));
    });
  });

  it('shows and changes nothing of another organisation', async () => {
    await stream(usageEvent({ occurredAt: onTime, inputTokens: -1 }));
    const id = await onlyId();
    const unknown = randomUUID();
    for (const key of ['viewerB', 'viewerA'].map(keyOf)) {
      const own = key === keyOf('viewerA');
      const foreign = await service.send('GET', `/orgs/${ORG_A}/quarantine/${id}`, undefined, key);
      expect(foreign.status).toBe(own ? 200 : 404);
      const replayed = await service.send('POST', `/orgs/${ORG_A}/quarantine/${id}/replay`, {}, key);
      expect(replayed.status).toBe(own ? 403 : 404);
      const admin = await service.send('GET', '/admin/quarantine', undefined, key);
      expect(admin.status).toBe(403);
    }
    const elsewhere = await replay(id, {}, ORG_B);
    expect(elsewhere.body).toEqual((await replay(unknown, {}, ORG_B)).body);
    const moved = await replay(id, { payload: usageEvent({ orgId: ORG_B, occurredAt: onTime }) });
    expect([moved.status, moved.body.errors[0].pointer]).toEqual([400, '/payload/orgId']);
  });

  it.each([
    ['GET', '?state=closed', 'state'],
    ['GET', '?reason=ugly', 'reason'],
    ['GET', '?start=yesterday', 'start'],
    ['GET', '?start=now&end=now-1d', 'end'],
    ['GET', '?partition=-1', 'partition'],
    ['GET', '?partition=64', 'partition'],
    ['GET', '?fromOffset=1.5', 'fromOffset'],
    ['GET', '?fromOffset=9&toOffset=9', 'toOffset'],
    ['GET', '?cursor=nothing', 'cursor'],
    ['GET', '?limit=0', 'limit'],
    ['GET', '/7', 'quarantineId'],
    ['POST', '/7/replay', 'quarantineId'],
    ['POST', '/7/dismiss', 'quarantineId'],
  ] as const)('refuses %s %s with what would do', async (method, rest, parameter) => {
    for (const path of [`/orgs/${ORG_A}/quarantine`, '/admin/quarantine']) {
      const body = method === 'POST' ? { reason: 'x' } : undefined;
      const answer = await service.send(method, `${path}${rest}`, body);
      expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/problem+json']);
      expect(answer.body.errors[0]).toEqual({ parameter, detail: expect.stringMatching(/must|from|one of/) });
    }
  });
});
