import { randomUUID } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { openApiDocument } from '../../src/platform/http/openapi';
import { IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import { IdentityProvider } from '../support/credentials';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, streamBatch, usageEvent } from '../support/usage-events';

const ROLES = ['platform-admin', 'org-admin', 'org-viewer', 'org-finance', 'producer'] as const;
type Role = (typeof ROLES)[number];

const EVERYONE = 'everyone';
const PLATFORM: readonly Role[] = ['platform-admin'];
const READERS: readonly Role[] = ['platform-admin', 'org-admin', 'org-viewer', 'org-finance'];
const OF_EXPORTS: readonly Role[] = ['platform-admin', 'org-admin', 'org-finance'];
const OF_KEYS: readonly Role[] = ['platform-admin', 'org-admin'];
const PRODUCERS: readonly Role[] = ['platform-admin', 'producer'];

/** Written by hand: who is let in where. A route that is not here, or is here and nowhere else, fails. */
const WHO_MAY: Readonly<Record<string, readonly Role[] | typeof EVERYONE>> = {
  'GET /healthz/live': EVERYONE,
  'GET /healthz/ready': EVERYONE,
  'GET /artifacts/exports/{org}/{jobId}/{attempt}/{fileName}': EVERYONE, // by the signature in its query
  'POST /events': PRODUCERS,
  'POST /events/validate': PRODUCERS,
  'GET /usage': PLATFORM,
  'GET /reliability': PLATFORM,
  'GET /orgs': PLATFORM,
  'GET /orgs/{orgId}/usage': READERS,
  'GET /orgs/{orgId}/reliability': READERS,
  'GET /orgs/{orgId}/summary': READERS,
  'GET /orgs/{orgId}/errors': READERS,
  'GET /orgs/{orgId}/models': READERS,
  'GET /orgs/{orgId}/clients': READERS,
  'GET /orgs/{orgId}/freshness': READERS,
  'GET /orgs/{orgId}/certificate': READERS,
  'GET /orgs/{orgId}/budget': READERS,
  'GET /orgs/{orgId}/events/{eventId}': READERS,
  'GET /orgs/{orgId}/quarantine': READERS,
  'GET /orgs/{orgId}/quarantine/{quarantineId}': READERS,
  'POST /orgs/{orgId}/quarantine/{quarantineId}/replay': PLATFORM,
  'POST /orgs/{orgId}/quarantine/{quarantineId}/dismiss': PLATFORM,
  'GET /orgs/{orgId}/exports': OF_EXPORTS,
  'POST /orgs/{orgId}/exports': OF_EXPORTS,
  'GET /orgs/{orgId}/exports/{jobId}': OF_EXPORTS,
  'DELETE /orgs/{orgId}/exports/{jobId}': OF_EXPORTS,
  'GET /orgs/{orgId}/exports/{jobId}/download': OF_EXPORTS,
  'GET /orgs/{orgId}/exports/{jobId}/manifest': OF_EXPORTS,
  'GET /orgs/{orgId}/api-keys': OF_KEYS,
  'POST /orgs/{orgId}/api-keys': OF_KEYS,
  'POST /orgs/{orgId}/api-keys/{keyId}/rotate': OF_KEYS,
  'DELETE /orgs/{orgId}/api-keys/{keyId}': OF_KEYS,
  'GET /admin/api-keys': PLATFORM,
  'POST /admin/api-keys': PLATFORM,
  'POST /admin/api-keys/{keyId}/rotate': PLATFORM,
  'DELETE /admin/api-keys/{keyId}': PLATFORM,
  'GET /admin/audit': PLATFORM,
  'GET /admin/ingestion': PLATFORM,
  'GET /admin/quarantine': PLATFORM,
  'GET /admin/quarantine/{quarantineId}': PLATFORM,
  'POST /admin/quarantine/{quarantineId}/replay': PLATFORM,
  'POST /admin/quarantine/{quarantineId}/dismiss': PLATFORM,
  'GET /admin/data-gaps': PLATFORM,
  'POST /admin/data-gaps/{gapId}/acknowledge': PLATFORM,
  'GET /admin/replays': PLATFORM,
  'POST /admin/replays': PLATFORM,
  'GET /admin/replays/{replayId}': PLATFORM,
  'DELETE /admin/replays/{replayId}': PLATFORM,
  'GET /admin/reaggregations': PLATFORM,
  'POST /admin/reaggregations': PLATFORM,
  'GET /admin/reaggregations/{jobId}': PLATFORM,
  'DELETE /admin/reaggregations/{jobId}': PLATFORM,
};

const ROUTES = Object.keys(WHO_MAY).map((route) => route.split(' ') as [string, string]);
const UNKNOWN_ORG = 'c0000000-0000-4000-8000-00000000000c';
/** In what each organisation has, and nobody else may see. */
const MARKS: Readonly<Record<string, string>> = { [ORG_A]: 'mark-of-a-48211', [ORG_B]: 'mark-of-b-97043' };

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

describe('the matrix of routes and credentials', () => {
  let database: TestDatabase;
  let service: TrialService;
  let idp: IdentityProvider;
  let app: NestFastifyApplication;
  /** Made by API, by name. */
  const keys: Record<string, { keyId: string; key: string }> = {};

  beforeAll(async () => {
    idp = await IdentityProvider.start();
    database = await createTestDatabase('postgres');
    service = await startTrial(database, { settings: { ...idp.settings, RATE_LIMIT_PER_MINUTE: '100000' } });
    app = service.app;
    await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
    const events = [ORG_A, ORG_B].flatMap((orgId) => [
      usageEvent({ orgId, modelId: MARKS[orgId], clientId: MARKS[orgId] }),
      { ...usageEvent({ orgId, modelId: MARKS[orgId] }), latencyMs: -1 },
    ]);
    await service.commands.execute(new IngestUsageCommand(streamBatch(events)));
    await make('live', { name: 'live', roles: ['org-viewer'], orgId: ORG_A });
    await make('foreign', { name: MARKS[ORG_B], roles: ['org-admin'], orgId: ORG_B });
    await make('revoked', { name: 'revoked', roles: ['platform-admin'] });
    await service.send('DELETE', `/admin/api-keys/${keys['revoked']?.keyId}`);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    await make('expired', { name: 'expired', roles: ['platform-admin'], expiresAt: tomorrow });
    await database.pool.query(
      `update api_keys set expires_at = now() - interval '1 day' where name = 'expired'`,
    );
  });
  afterAll(async () => {
    await service.close();
    await idp.stop();
    await database.drop();
  });

  async function make(name: string, body: object): Promise<void> {
    const made = await service.send('POST', '/admin/api-keys', body);
    expect(made.status).toBe(201);
    keys[name] = made.body as { keyId: string; key: string };
  }

  const bearer = async (token: Promise<string> | string) => ({ authorization: `Bearer ${await token}` });

  /** Nobody is known by any of these. */
  const STRANGERS: Record<string, () => Promise<Record<string, string>>> = {
    'no credential': async () => ({}),
    'a malformed token': () => bearer('not.a.token'),
    'a malformed key': async () => ({ 'x-api-key': 'ak_short' }),
    'an expired token': () => bearer(idp.token(['platform-admin'], null, { exp: Math.floor(Date.now() / 1_000) - 60 })),
    'a token of another issuer': () => bearer(idp.token(['platform-admin'], null, { iss: 'https://evil.example' })),
    'a token for another audience': () => bearer(idp.token(['platform-admin'], null, { aud: 'elsewhere' })),
    'a token of an unknown key': () => bearer(idp.strange(['platform-admin'])),
    'an unsigned token': () => bearer(idp.unsigned(['platform-admin'])),
    'a token signed by the public key': () => bearer(idp.signedByThePublicKey(['platform-admin'])),
    'a revoked key': async () => ({ 'x-api-key': (keys['revoked'] as { key: string }).key }),
    'an expired key': async () => ({ 'x-api-key': (keys['expired'] as { key: string }).key }),
    'a key with another secret': async () => ({ 'x-api-key': keyOf('reader').replace(/.$/, 'b') }),
    'a key in the query': async () => ({}),
    'two credentials': async () => ({ 'x-api-key': keyOf('reader'), ...(await bearer(idp.token(['platform-admin'], null))) }),
  }; // prettier-ignore

  async function ask(
    method: string,
    path: string,
    orgId: string,
    headers: Record<string, string>,
    query = '',
  ) {
    const answer = await app.inject({
      method: method as 'GET',
      url: filled(path, orgId) + query,
      headers: { 'x-request-id': 'the-same', ...headers },
      ...(method === 'POST' && { payload: {} }),
    });
    const { date: _date, ratelimit: _limit, ...rest } = answer.headers;
    return { status: answer.statusCode, text: answer.payload, headers: rest } as Answer;
  }

  /** Organisations whose marks show in an answer to somebody who may only see those of `visible`. */
  const leaks = ({ text, headers }: Answer, visible: readonly string[] = []): string[] =>
    Object.entries(MARKS)
      .filter(([orgId, mark]) => !visible.includes(orgId) && (text + JSON.stringify(headers)).includes(mark))
      .map(([orgId]) => orgId);

  it('knows every route of the OpenAPI document, and no other', () => {
    const { paths } = openApiDocument(app);
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replace('/analytics/v1', '')}`),
    );
    expect(documented.sort()).toEqual(Object.keys(WHO_MAY).sort());
  });

  it('is what the OpenAPI document says about permissions', () => {
    const { paths } = openApiDocument(app);
    for (const [method, path] of ROUTES) {
      const item = (paths[`/analytics/v1${path}`] ?? paths[path]) as Record<string, Record<string, unknown>>;
      const roles = item[method.toLowerCase()]?.['x-roles'] as string[] | undefined;
      const expected = WHO_MAY[`${method} ${path}`];
      expect([path, roles?.sort()]).toEqual([
        path,
        expected === EVERYONE ? undefined : [...(expected ?? [])].sort(),
      ]);
    }
  });

  describe.each(ROUTES)('%s %s', (method, path) => {
    const allowed = WHO_MAY[`${method} ${path}`] ?? [];
    const isOfOrg = path.includes('{orgId}');

    if (allowed === EVERYONE) {
      it('lets anyone ask', async () => {
        const answer = await ask(method, path, ORG_A, {});
        expect([401, 500]).not.toContain(answer.status);
        expect(leaks(answer)).toEqual([]);
      });
      return;
    }

    it.each(Object.keys(STRANGERS))('does not know who calls with %s', async (name) => {
      const headers = await (STRANGERS[name] as () => Promise<Record<string, string>>)();
      const query = name === 'a key in the query' ? `?x-api-key=${keyOf('reader')}` : '';
      const answer = await ask(method, path, ORG_A, headers, query);
      expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
      expect(leaks(answer)).toEqual([]);
    });

    it.each(ROLES)('treats %s as it should', async (role) => {
      const orgId = role === 'platform-admin' ? null : ORG_A;
      const answer = await ask(method, path, ORG_A, await bearer(idp.token([role], orgId)));
      if (allowed.includes(role)) {
        expect([401, 403, 500]).not.toContain(answer.status);
        expect(answer.text).not.toContain('There is no such organisation.');
      } else {
        expect(answer.status).toBe(403);
      }
      const reach = isOfOrg ? [ORG_A] : [ORG_A, ORG_B];
      expect(leaks(answer, allowed.includes(role) && (isOfOrg || orgId === null) ? reach : [])).toEqual([]);
    });

    it('gives a role of the platform to no organisation', async () => {
      const answer = await ask(method, path, ORG_A, await bearer(idp.token(['platform-admin'], ORG_A)));
      expect(answer.status).toBe(403);
      expect(leaks(answer)).toEqual([]);
    });

    it('gives nothing for a role that is not known, or none', async () => {
      for (const roles of [[], ['root'], ['PLATFORM-ADMIN']])
        expect((await ask(method, path, ORG_A, await bearer(idp.token(roles, ORG_A)))).status).toBe(403);
    });

    if (!isOfOrg) return;
    it.each([
      ['a foreign token', () => bearer(idp.token(['org-admin', 'org-finance', 'producer'], ORG_B))],
      ['a foreign key', async () => ({ 'x-api-key': (keys['foreign'] as { key: string }).key })],
      ['a token without an organisation', () => bearer(idp.token(['org-admin', 'producer'], null))],
    ])('answers %s as if the organisation did not exist', async (_, credential) => {
      const headers = await credential();
      const foreign = await ask(method, path, ORG_A, headers);
      expect(foreign.status).toBe(404);
      expect(foreign).toEqual(await ask(method, path, UNKNOWN_ORG, headers));
      expect(leaks(foreign)).toEqual([]);
    });
  });

  it('lets a live key in where its role may, and nowhere else', async () => {
    const headers = { 'x-api-key': (keys['live'] as { key: string }).key };
    for (const [method, path] of ROUTES) {
      const allowed = WHO_MAY[`${method} ${path}`] ?? [];
      if (allowed === EVERYONE) continue;
      const { status } = await ask(method, path, ORG_A, headers);
      expect([method, path, status === 401 || status === 403]).toEqual([
        method,
        path,
        !allowed.includes('org-viewer'),
      ]);
    }
  });
});

/** Everything a path may name but the organisation is something that there is not. */
function filled(path: string, orgId: string): string {
  const named = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (name === 'orgId' || name === 'org') return orgId;
    return name === 'keyId'
      ? 'nosuchkey'
      : name === 'attempt'
        ? '1'
        : name === 'fileName'
          ? 'file.csv'
          : randomUUID();
  });
  return path.startsWith('/healthz') ? named : `/analytics/v1${named}`;
}
