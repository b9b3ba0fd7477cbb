import { Logger } from '@nestjs/common';
import { describeEachEngine } from '../support/engines';
import { eventually } from '../support/eventually';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B } from '../support/usage-events';

const NOW = new Date('2026-11-24T10:00:00.000Z');
const PRINCIPALS = {
  adminA: { orgId: ORG_A, roles: ['org-admin'] },
  adminB: { orgId: ORG_B, roles: ['org-admin'] },
  viewerA: { orgId: ORG_A, roles: ['org-viewer'] },
};

describeEachEngine('API keys', (kind) => {
  let database: TestDatabase;
  /** Two replicas. */
  let here: TrialService;
  let there: TrialService;

  beforeAll(async () => {
    database = await createTestDatabase(kind);
    const settings = { DATABASE_STATEMENT_TIMEOUT: '4s' };
    here = await startTrial(database, { now: NOW, principals: PRINCIPALS, settings });
    there = await startTrial(database, { now: NOW, principals: PRINCIPALS });
  });
  afterAll(async () => {
    await Promise.all([here.close(), there.close()]);
    await database.drop();
  });
  beforeEach(async () => {
    here.now = NOW;
    there.now = NOW;
    await database.pool.query('delete from api_keys');
  });

  const ofA = `/orgs/${ORG_A}/api-keys`;
  const usageOf = (orgId: string) => `/orgs/${orgId}/usage`;
  const pass = (seconds: number) => {
    here.now = new Date(here.now.getTime() + seconds * 1_000);
    there.now = here.now;
  };

  async function make(body: object = { name: 'dashboards', roles: ['org-viewer'] }) {
    const made = await here.send('POST', ofA, body, keyOf('adminA'));
    expect(made.status).toBe(201);
    return made.body as { keyId: string; key: string };
  }

  it('are made, work at once on every replica, and are shown once', async () => {
    const made = await here.send(
      'POST',
      ofA,
      { name: ' dashboards ', roles: ['org-viewer'] },
      keyOf('adminA'),
    );
    expect(made.status).toBe(201);
    expect(made.headers['cache-control']).toBe('no-store');
    expect(made.body).toEqual({
      keyId: expect.stringMatching(/^[A-Za-z0-9]{16}$/),
      key: expect.stringMatching(new RegExp(`^ak_${made.body.keyId}_[A-Za-z0-9_-]{43}$`)),
      orgId: ORG_A,
      name: 'dashboards',
      roles: ['org-viewer'],
      state: 'live',
      createdBy: 'adminA',
      createdAt: NOW.toISOString(),
      expiresAt: null,
      revokedAt: null,
      revokedBy: null,
      lastUsedAt: null,
      replaces: null,
    });
    for (const replica of [here, there]) {
      expect(await replica.send('GET', usageOf(ORG_A), undefined, made.body.key)).toMatchObject({
        status: 200,
      });
      expect(await replica.send('GET', usageOf(ORG_B), undefined, made.body.key)).toMatchObject({
        status: 404,
      });
      expect(await replica.send('GET', ofA, undefined, made.body.key)).toMatchObject({ status: 403 });
    }
    const { body } = await here.send('GET', ofA, undefined, keyOf('adminA'));
    const { key: _key, ...shown } = made.body;
    expect(body).toEqual({ keys: [{ ...shown, lastUsedAt: expect.any(String) }], nextCursor: null });
    const { rows } = await database.pool.query('select * from api_keys');
    expect(JSON.stringify(rows)).not.toContain(made.body.key.slice(-43));
  });

  it('are refused within half a minute on every replica after they were revoked, at once where that was done', async () => {
    const { key, keyId } = await make();
    for (const replica of [here, there])
      expect(await replica.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 200 });
    const revoked = await here.send('DELETE', `${ofA}/${keyId}`, undefined, keyOf('adminA'));
    expect(revoked).toMatchObject({ status: 200, body: { state: 'revoked', revokedBy: 'adminA', revokedAt: NOW.toISOString() } }); // prettier-ignore
    expect(await here.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 401 });
    pass(30);
    expect(await there.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 401 });
    const again = await there.send('DELETE', `${ofA}/${keyId}`, undefined, keyOf('adminA'));
    expect(again.body).toEqual(revoked.body.lastUsedAt ? revoked.body : { ...revoked.body, lastUsedAt: again.body.lastUsedAt }); // prettier-ignore
  });

  it('are named in the log when they are revoked or rotated: a restored database does not know', async () => {
    const log = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
    const [revoked, rotated] = [await make(), await make()];
    await here.send('DELETE', `${ofA}/${revoked.keyId}`, undefined, keyOf('adminA'));
    const { body } = await here.send('POST', `${ofA}/${rotated.keyId}/rotate`, {}, keyOf('adminA'));
    const told = log.mock.calls.filter(([fields]) => Object.hasOwn(fields as object, 'keyId'));
    log.mockRestore();
    expect(told).toEqual([
      [{ keyId: revoked.keyId }, 'Revoked an API key'],
      [{ keyId: rotated.keyId, replacedBy: body.keyId }, 'Rotated an API key'],
    ]);
  });

  it('end when they expire', async () => {
    const expiresAt = new Date(NOW.getTime() + 10_000).toISOString();
    const { key } = await make({ name: 'short', roles: ['org-viewer'], expiresAt });
    expect(await there.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 200 });
    pass(10);
    expect(await there.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 401 });
    const { body } = await here.send('GET', ofA, undefined, keyOf('adminA'));
    expect(body.keys).toMatchObject([{ state: 'expired', expiresAt }]);
  });

  it('are rotated: two live for a while, then only the new one; never three', async () => {
    const { key: old, keyId } = await make();
    const rotate = (id: string, body: object = {}) =>
      here.send('POST', `${ofA}/${id}/rotate`, body, keyOf('adminA'));
    for (const overlapHours of [null, -1, 0.5, 721, '1']) {
      const { status, body } = await rotate(keyId, { overlapHours });
      expect([status, body.errors?.[0].pointer]).toEqual([400, '/overlapHours']);
    }
    const rotated = await rotate(keyId, { overlapHours: 1 });
    expect(rotated).toMatchObject({ status: 201, body: { replaces: keyId, roles: ['org-viewer'], name: 'dashboards', expiresAt: null } }); // prettier-ignore
    for (const key of [old, rotated.body.key])
      expect(await there.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 200 });
    expect(await rotate(keyId)).toMatchObject({ status: 409, body: { detail: expect.stringContaining('rotated already') } }); // prettier-ignore
    pass(3_600);
    expect(await there.send('GET', usageOf(ORG_A), undefined, old)).toMatchObject({ status: 401 });
    expect(await here.send('GET', usageOf(ORG_A), undefined, old)).toMatchObject({ status: 401 });
    expect(await there.send('GET', usageOf(ORG_A), undefined, rotated.body.key)).toMatchObject({
      status: 200,
    });
    expect(await rotate(keyId)).toMatchObject({ status: 409, body: { detail: expect.stringContaining('make a new one') } }); // prettier-ignore
  });

  it('do not live longer by being rotated', async () => {
    const expiresAt = new Date(NOW.getTime() + 60_000).toISOString();
    const { keyId } = await make({ name: 'short', roles: ['org-viewer'], expiresAt });
    const { body } = await here.send('POST', `${ofA}/${keyId}/rotate`, { overlapHours: 24 }, keyOf('adminA'));
    expect(body.expiresAt).toBe(expiresAt);
    const listed = await here.send('GET', ofA, undefined, keyOf('adminA'));
    expect(listed.body.keys.map((key: { expiresAt: string }) => key.expiresAt)).toEqual([
      expiresAt,
      expiresAt,
    ]);
  });

  it.each([
    ['adminA', ['producer'], 403, 'events:write'],
    ['adminA', ['org-viewer', 'producer'], 403, 'events:write'],
    ['adminA', ['platform-admin'], 400, 'those of an organisation'],
    ['reader', ['platform-admin'], 400, 'those of an organisation'],
    ['adminA', ['org-admin', 'org-finance'], 201, undefined],
    ['reader', ['producer'], 201, undefined],
  ])(
    'cannot do more than their maker: %s makes %j in an organisation',
    async (maker, roles, status, detail) => {
      const answer = await here.send('POST', ofA, { name: 'k', roles }, keyOf(maker));
      expect(answer.status).toBe(status);
      if (detail !== undefined) expect(answer.body.detail).toContain(detail);
    },
  );

  it.each([
    [{ name: 'k', roles: ['producer'] }, 201],
    [{ name: 'k', roles: ['platform-admin'] }, 201],
    [{ name: 'k', roles: ['producer'], orgId: null, expiresAt: null }, 201],
    [{ name: 'k', roles: ['org-viewer'] }, 400],
    [{ name: 'k', roles: ['org-viewer'], orgId: ORG_B.toUpperCase() }, 201],
    [{ name: 'k', roles: ['platform-admin'], orgId: ORG_B }, 400],
    [{ name: 'k', roles: [] }, 400],
    [{ name: 'k', roles: ['root'] }, 400],
    [{ name: 'k', roles: 'producer' }, 400],
    [{ name: ' ', roles: ['producer'] }, 400],
    [{ name: 'a\u0000b', roles: ['producer'] }, 400],
    [{ name: 'k', roles: ['producer'], expiresAt: NOW.toISOString() }, 400],
    [{ name: 'k', roles: ['producer'], expiresAt: 'soon' }, 400],
    [{ name: 'k', roles: ['producer'], keyId: 'mine' }, 400],
    [{ name: 'k', roles: ['producer'], orgId: 'acme' }, 400],
  ])('of the platform are made by the platform: %j is answered %d', async (body, status) => {
    expect((await here.send('POST', '/admin/api-keys', body)).status).toBe(status);
    expect((await here.send('POST', '/admin/api-keys', body, keyOf('adminA'))).status).toBe(403);
  });

  it('of another organisation are not there', async () => {
    const { keyId } = await make();
    const ofB = `/orgs/${ORG_B}/api-keys`;
    for (const [method, path] of [
      ['DELETE', `${ofB}/${keyId}`],
      ['POST', `${ofB}/${keyId}/rotate`],
    ] as const) {
      const foreign = await here.send(method, path, method === 'POST' ? {} : undefined, keyOf('adminB'));
      const missing = await here.send(method, path.replace(keyId, 'nosuchkey'), method === 'POST' ? {} : undefined, keyOf('adminB')); // prettier-ignore
      expect([foreign.status, foreign.body]).toEqual([missing.status, missing.body]);
      expect(foreign).toMatchObject({ status: 404, body: { detail: 'There is no such API key.' } });
    }
    expect((await here.send('GET', ofB, undefined, keyOf('adminB'))).body.keys).toEqual([]);
    expect((await here.send('GET', `${ofB}?cursor=${keyId}`, undefined, keyOf('adminB'))).status).toBe(400);
    expect((await here.send('GET', '/admin/api-keys')).body.keys).toMatchObject([{ keyId }]);
  });

  it('are listed in pages', async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      made.unshift((await make({ name: `key ${index}`, roles: ['org-viewer'] })).keyId);
      pass(1);
    }
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await here.send('GET', `${ofA}?limit=2${cursor && `&cursor=${cursor}`}`, undefined, keyOf('adminA')); // prettier-ignore
      seen.push(...body.keys.map(({ keyId }: { keyId: string }) => keyId));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(made);
  });

  it('say when they were used last, to the minute', async () => {
    const { key, keyId } = await make();
    const lastUse = async () => {
      const { rows } = await database.pool.query('select last_used_at from api_keys where key_id = $1', [
        keyId,
      ]);
      return (rows[0].last_used_at as Date | null)?.toISOString() ?? null;
    };
    const usedAt = async (expected: string) => {
      await here.send('GET', usageOf(ORG_A), undefined, key);
      for (let attempt = 0; attempt < 50 && (await lastUse()) !== expected; attempt += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await lastUse()).toBe(expected);
    };
    expect(await lastUse()).toBeNull();
    await usedAt(NOW.toISOString());
    pass(59);
    await usedAt(NOW.toISOString());
    pass(1);
    await usedAt(here.now.toISOString());
  });

  it('are verified while many wait for a row that a forgotten session holds; those are told to try again', async () => {
    const window = { start: 'now-2d', end: 'now' };
    const exportsOfA = `/orgs/${ORG_A}/exports`;
    const { key } = await make();
    const asked = await here.send('POST', exportsOfA, { window, granularity: 'hourly' });
    const forgotten = await database.pool.connect();
    try {
      await forgotten.query('begin');
      await forgotten.query('select from export_jobs for update');
      const cancelled = Array.from({ length: 4 }, () =>
        here.send('DELETE', `${exportsOfA}/${asked.body.jobId}`),
      );
      await eventually(async () => {
        const { rows } = await database.pool.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`); // prettier-ignore
        expect(rows.length).toBeGreaterThanOrEqual(3);
      });
      expect(await here.send('GET', usageOf(ORG_A), undefined, key)).toMatchObject({ status: 200 });
      for (const { status, headers } of await Promise.all(cancelled))
        expect([status, headers['retry-after']]).toEqual([503, '5']);
    } finally {
      await forgotten.query('rollback');
      forgotten.release();
    }
  });

  it('cannot be told from each other by how they are refused', async () => {
    const { key, keyId } = await make();
    const [, secret] = /_([^_].{42})$/.exec(key) ?? [];
    const wrong = [
      `ak_${keyId}_${'A'.repeat(43)}`,
      `ak_nosuchkey00_${secret}`,
      key.slice(0, -1),
      `${key}x`,
      'ak_',
    ];
    const answers = await Promise.all(wrong.map((each) => here.send('GET', usageOf(ORG_A), undefined, each)));
    for (const { status, body } of answers)
      expect([status, body.detail]).toEqual([401, 'The API key is not valid here.']);
  });
});
