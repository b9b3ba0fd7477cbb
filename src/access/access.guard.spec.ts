import { createHash } from 'node:crypto';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { SharedRedis } from '../platform/cache/shared-redis';
import { Config, loadConfig } from '../platform/config/config';
import { AllowAnonymous } from '../platform/http/allow-anonymous.decorator';
import { configureHttp, httpAdapter } from '../platform/http/http-server';
import type { LoggedRequest } from '../platform/logging/log-options';
import { Clock, SystemClock } from '../shared/clock';
import { AppError } from '../shared/errors';
import { AccessGuard } from './access.guard';
import type { AuditedDecision } from './audit/audit-chain';
import { AuditTrail } from './audit/audit-trail';
import { BearerTokens } from './bearer-tokens';
import { ApiKeyRows } from './keys/api-key-rows.repository';
import { ApiKeys } from './keys/api-keys';
import { RequestLimit } from './limits/request-limit';
import type { OrgScope, Principal } from './principal';
import { CurrentPrincipal, Requires, Scope } from './requires.decorator';

const OWN = 'abcdef11-1111-4111-8111-111111111111';
const FOREIGN = '22222222-2222-4222-8222-222222222222';
const SECRET = 'S'.repeat(43);
const sha256 = createHash('sha256').update(SECRET).digest('hex');

@Controller()
class TrialController {
  @Get('orgs/:orgId/usage')
  @Requires('usage:read')
  usage(@Scope() scope: OrgScope, @CurrentPrincipal() principal: Principal): object {
    return { orgId: scope.orgId, principal: principal.id };
  }

  @Get('orgs/:orgId/exports/:jobId')
  @Requires('exports:read')
  oneExport(): string {
    return 'export';
  }

  @Get('usage')
  @Requires('platform:read')
  platform(): string {
    return 'platform';
  }

  @Get('scopeless')
  @Requires('usage:read')
  scopeless(@Scope() scope: OrgScope): string {
    return scope.orgId;
  }

  @Get('open')
  @AllowAnonymous()
  open(): string {
    return 'open';
  }

  @Get('silent')
  silent(): string {
    return 'silent';
  }
}

describe('access', () => {
  let app: NestFastifyApplication;
  /** What the database would have kept; `auditIsAway` makes it refuse. */
  const audited: AuditedDecision[] = [];
  let auditIsAway = false;
  /** Of the last request. */
  let logged: LoggedRequest;
  const audit = {
    record: async (decision: AuditedDecision) => {
      if (auditIsAway) throw new AppError('unavailable', 'The audit log cannot be written.');
      audited.push(decision);
    },
  };

  beforeEach(() => {
    audited.length = 0;
    auditIsAway = false;
  });

  beforeAll(async () => {
    const apiKeys = [
      { id: 'viewer', sha256, orgId: OWN.toUpperCase(), roles: ['org-viewer'] },
      { id: 'finance', sha256, orgId: OWN, roles: ['org-finance', 'org-viewer'] },
      { id: 'admin', sha256, orgId: null, roles: ['platform-admin'] },
      { id: 'router', sha256, orgId: null, roles: ['producer'] },
      { id: 'orphan', sha256, orgId: null, roles: ['org-admin'] },
    ];
    const config = loadConfig({ NODE_ENV: 'production', API_KEYS: JSON.stringify(apiKeys) });
    @Module({
      controllers: [TrialController],
      providers: [
        { provide: Config, useValue: config },
        { provide: Clock, useClass: SystemClock },
        { provide: ApiKeyRows, useValue: { lookUp: async () => null } },
        { provide: AuditTrail, useValue: audit },
        ApiKeys,
        BearerTokens,
        SharedRedis,
        RequestLimit,
        { provide: APP_GUARD, useClass: AccessGuard },
      ],
    })
    class TrialModule {}
    const testing = await Test.createTestingModule({ imports: [TrialModule] }).compile();
    app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), { logger: false });
    await configureHttp(app);
    const remember = async ({ raw }: { raw: object }) => void (logged = raw as LoggedRequest);
    app.getHttpAdapter().getInstance().addHook('onResponse', remember);
    await app.init();
  });
  afterAll(() => app.close());

  async function get(path: string, headers: Record<string, string>) {
    const answer = await app.inject({ method: 'GET', url: path, headers });
    const { title, ...rest } = answer.headers['content-type']?.toString().includes('json')
      ? answer.json()
      : {};
    return { status: answer.statusCode, ...rest, headers: answer.headers };
  }
  const as = (id: string) => ({ 'x-api-key': `ak_${id}_${SECRET}` });

  it('lets a principal read its own organisation, however the id is written', async () => {
    for (const orgId of [OWN, OWN.toUpperCase()]) {
      const answer = await get(`/orgs/${orgId}/usage`, as('viewer'));
      expect(answer).toMatchObject({ status: 200, orgId: OWN, principal: 'viewer' });
    }
  });

  it('lets the platform read every organisation', async () => {
    expect(await get(`/orgs/${FOREIGN}/usage`, as('admin'))).toMatchObject({ status: 200, orgId: FOREIGN });
  });

  it.each(['viewer', 'router', 'orphan'])('answers %s of a foreign organisation as of one that does not exist', async (id) => {
    expect(await get(`/orgs/${FOREIGN}/usage`, as(id))).toMatchObject({
      status: 404,
      detail: 'There is no such organisation.',
    });
  }); // prettier-ignore

  it('tells a foreign organisation apart from an unknown one by nothing', async () => {
    const unknown = '33333333-3333-4333-8333-333333333333';
    const answers = await Promise.all(
      [FOREIGN, unknown].map(async (orgId) => {
        const { headers, payload, statusCode } = await app.inject({
          url: `/orgs/${orgId}/usage`,
          headers: { ...as('viewer'), 'x-request-id': 'the-same' },
        });
        return { headers: { ...headers, date: undefined, ratelimit: undefined }, payload, statusCode };
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });

  it('refuses what the roles do not give, and names it', async () => {
    expect(await get('/usage', as('viewer'))).toMatchObject({
      status: 403,
      detail: expect.stringContaining('platform:read'),
    });
  });

  it('refuses everyone on a route that says nothing', async () => {
    expect(await get('/silent', {})).toMatchObject({ status: 401 });
    const detail = 'Nobody may do this: the route grants nothing.';
    expect(await get('/silent', as('admin'))).toMatchObject({ status: 403, detail });
  });

  it('lets anyone in where that is said', async () => {
    expect(await get('/open', {})).toMatchObject({ status: 200 });
  });

  it.each(['acme', `x${OWN}`, `${OWN}x`, OWN.slice(1), OWN.replace('-', ''), OWN.replace('f', 'g'), OWN.slice(0, -1), 'abcdef11-1111-4111-111111111111', 'abcdef11-111-4111-8111-111111111111'])(
    'refuses an organisation that is no UUID by its parameter, and does not repeat it in the log: %s', async (orgId) => {
    expect(await get(`/orgs/${orgId}/usage`, as('admin'))).toMatchObject({
      status: 400,
      errors: [{ parameter: 'orgId', detail: 'must be a UUID.' }],
    });
    expect(logged.orgId).toBeUndefined();
    expect(audited).toEqual([expect.objectContaining({ orgId: null, decision: 'refused' })]);
  }); // prettier-ignore

  it('tells the log who asked and for whom, and counts every request of a principal', async () => {
    const answered = await get(`/orgs/${OWN.toUpperCase()}/usage`, as('viewer'));
    expect(logged).toMatchObject({ principalId: 'viewer', orgId: OWN });
    expect(answered.headers).toHaveProperty('ratelimit');
    const refused = await get(`/orgs/${FOREIGN}/usage`, as('viewer'));
    expect(logged.orgId).toBeUndefined();
    expect(refused.headers).toHaveProperty('ratelimit');
    expect((await get('/open', {})).headers).not.toHaveProperty('ratelimit');
  });

  it('leaves what comes from the broker to the broker’s own access control', async () => {
    const guard = new AccessGuard(
      new Reflector(),
      app.get(BearerTokens),
      app.get(ApiKeys),
      app.get(RequestLimit),
      app.get(AuditTrail),
      app.get(Clock),
    );
    const message = new ExecutionContextHost([{}], TrialController, TrialController.prototype.silent);
    message.setType('rmq');
    expect(await guard.canActivate(message)).toBe(true);
    message.setType('http');
    await expect(guard.canActivate(message)).rejects.toThrow();
  });

  it('keeps a decision on what needs an entry, granted or refused, and on nothing else', async () => {
    await get(`/orgs/${OWN}/usage`, as('viewer'));
    await get(`/orgs/${OWN.toUpperCase()}/usage`, as('viewer'));
    await get(`/orgs/${OWN}/usage`, {});
    expect(audited).toEqual([]);
    await get(`/orgs/${FOREIGN}/usage`, as('viewer'));
    await get(`/orgs/${FOREIGN.toUpperCase()}/usage`, as('admin'));
    await get('/usage', as('viewer'));
    await get('/usage', as('admin'));
    await get('/silent', as('admin'));
    const common = { principalKind: 'api-key', method: 'GET' };
    const ofUsage = { permission: 'usage:read', route: '/orgs/:orgId/usage', orgId: FOREIGN };
    const ofPlatform = { permission: 'platform:read', route: '/usage', orgId: null };
    expect(audited).toEqual([
      expect.objectContaining({ ...common, ...ofUsage, principalId: 'viewer', principalOrgId: OWN, decision: 'refused' }),
      expect.objectContaining({ ...common, ...ofUsage, principalId: 'admin', principalOrgId: null, decision: 'granted' }),
      expect.objectContaining({ ...common, ...ofPlatform, principalId: 'viewer', decision: 'refused' }),
      expect.objectContaining({ ...common, ...ofPlatform, principalId: 'admin', decision: 'granted' }),
      expect.objectContaining({ ...common, permission: null, route: '/silent', decision: 'refused' }),
    ]);
  }); // prettier-ignore

  it('keeps of a decision who, when, by what right and what for, bounded and storable', async () => {
    const headers = { ...as('finance'), 'x-request-id': 'request-7' };
    const before = Date.now();
    await get(`/orgs/${OWN}/exports/job-1`, headers);
    await get(`/orgs/${OWN}/exports/a%00b${'x'.repeat(90)}`, headers);
    expect(audited).toEqual([
      {
        decidedAt: expect.any(Date),
        principalId: 'finance',
        principalKind: 'api-key',
        principalOrgId: OWN,
        principalRoles: ['org-finance', 'org-viewer'],
        permission: 'exports:read',
        method: 'GET',
        route: '/orgs/:orgId/exports/:jobId',
        orgId: OWN,
        resourceId: 'job-1',
        decision: 'granted',
        requestId: 'request-7',
      },
      expect.objectContaining({ resourceId: `a\uFFFDb${'x'.repeat(90)}` }),
    ]);
    expect(audited[0]?.decidedAt.getTime()).toBeGreaterThanOrEqual(before);
    await get('/usage', as('admin'));
    expect(audited.at(-1)).toMatchObject({ resourceId: null });
  });

  it.each([
    ['a token', { authorization: 'Bearer a.b.c' }, 'The bearer token is not valid'],
    ['a token in lower case', { authorization: 'bearer   a.b.c' }, 'The bearer token is not valid'],
    ['a key', { 'x-api-key': 'ak_' }, 'The API key is not valid'],
    ['none', {}, 'Send one credential'],
    ['both', { 'x-api-key': 'ak_', authorization: 'Bearer a.b.c' }, 'Send one credential'],
    ['a token with more behind it', { authorization: 'Bearer a.b.c d' }, 'Send one credential'],
    ['a token with more before it', { authorization: 'xBearer a.b.c' }, 'Send one credential'],
    ['no token', { authorization: 'Bearer ' }, 'Send one credential'],
    ['another scheme', { authorization: 'Basic YTpi' }, 'Send one credential'],
    ['a key with another scheme', { ...as('viewer'), authorization: 'Basic YTpi' }, 'Send one credential'],
  ])('looks at %s', async (_, headers, detail) => {
    const answer = await get(`/orgs/${OWN}/usage`, headers);
    expect(answer).toMatchObject({ status: 401, detail: expect.stringContaining(detail) });
    expect(answer.headers).not.toHaveProperty('ratelimit');
  });

  it('lets nobody in without the entry', async () => {
    auditIsAway = true;
    expect(await get('/usage', as('admin'))).toMatchObject({ status: 503 });
    expect(await get(`/orgs/${OWN}/usage`, as('viewer'))).toMatchObject({ status: 200 });
  });

  it('has no scope to give where the path names no organisation', async () => {
    expect(await get('/scopeless', as('admin'))).toMatchObject({ status: 500 });
  });

  it.each([
    ['an unknown key', as('nobody')],
    ['a wrong secret', { 'x-api-key': `ak_viewer_${'T'.repeat(43)}` }],
    ['half a key', { 'x-api-key': 'ak_viewer' }],
    ['a key with more behind it', { 'x-api-key': `ak_viewer_${SECRET}x` }],
    ['two credentials', { ...as('viewer'), authorization: 'Bearer a.b.c' }],
  ])('does not know who is calling by %s', async (_, headers) => {
    const expected = { 'www-authenticate': 'Bearer', 'content-type': 'application/problem+json' };
    expect(await get(`/orgs/${OWN}/usage`, headers)).toMatchObject({ status: 401, headers: expected });
  });
});
