import type { Pool } from 'pg';
import type { ChainFault } from '../../src/access/audit/audit-chain';
import { AuditTrail } from '../../src/access/audit/audit-trail';
import { verifyAudit } from '../../src/access/audit/audit-verification';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B } from '../support/usage-events';

const NOW = new Date('2026-11-24T10:00:00.123Z');
const PRINCIPALS = {
  adminA: { orgId: ORG_A, roles: ['org-admin'] },
  viewerA: { orgId: ORG_A, roles: ['org-viewer'] },
};

describeEachEngine('the audit log', (kind) => {
  let database: TestDatabase;
  let service: TrialService;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, { now: NOW, principals: PRINCIPALS });
  });
  afterEach(async () => {
    await service.close();
    await database.drop();
  });

  const entries = async (filter = '') => {
    const { body, status } = await service.send('GET', `/admin/audit?limit=200${filter}`);
    expect(status).toBe(200);
    return body.entries as Record<string, unknown>[];
  };

  it('holds every decision that needs an entry, and can be asked for them', async () => {
    const requests: [string, string, number][] = [
      ['viewerA', `/orgs/${ORG_A}/usage`, 200], // no entry: its own organisation's usage
      ['viewerA', `/orgs/${ORG_A}/exports`, 403],
      ['viewerA', `/orgs/${ORG_B}/usage`, 404],
      ['adminA', `/orgs/${ORG_A}/exports`, 200],
      ['adminA', '/usage', 403],
      ['reader', `/orgs/${ORG_B.toUpperCase()}/usage`, 200],
      ['reader', '/admin/data-gaps', 200],
      ['reader', '/orgs/acme%00/usage', 400],
    ];
    for (const [principal, path, status] of requests)
      expect([path, (await service.send('GET', path, undefined, keyOf(principal))).status]).toEqual([
        path,
        status,
      ]);
    const kept = await entries();
    const seen = kept.map(({ principalId, permission, route, orgId, decision }) => [principalId, permission, (route as string).replace('/analytics/v1', ''), orgId, decision]); // prettier-ignore
    expect(seen.reverse()).toEqual([
      ['viewerA', 'exports:read', '/orgs/:orgId/exports', ORG_A, 'refused'],
      ['viewerA', 'usage:read', '/orgs/:orgId/usage', ORG_B, 'refused'],
      ['adminA', 'exports:read', '/orgs/:orgId/exports', ORG_A, 'granted'],
      ['adminA', 'platform:read', '/usage', null, 'refused'],
      ['reader', 'usage:read', '/orgs/:orgId/usage', ORG_B, 'granted'],
      ['reader', 'ingestion:admin', '/admin/data-gaps', null, 'granted'],
      ['reader', 'usage:read', '/orgs/:orgId/usage', null, 'refused'],
      ['reader', 'audit:read', '/admin/audit', null, 'granted'],
    ]);
    expect(kept[1]).toMatchObject({ sequence: '7', decidedAt: NOW.toISOString(), principalKind: 'api-key', principalOrgId: null, principalRoles: ['platform-admin'], method: 'GET', resourceId: null }); // prettier-ignore

    expect(await entries('&principalId=viewerA')).toHaveLength(2);
    expect(await entries(`&orgId=${ORG_B.toUpperCase()}`)).toHaveLength(2);
    expect(await entries('&permission=platform:read')).toHaveLength(1);
    expect((await entries('&decision=refused')).every(({ decision }) => decision === 'refused')).toBe(true);
    service.now = new Date(NOW.getTime() + 1_000);
    expect((await entries(`&end=${NOW.toISOString()}`)).length).toBe(0);
    expect((await entries(`&start=${service.now.toISOString()}`)).length).toBe(2);
    const { faults } = await verifyAudit(database.pool);
    expect(faults).toEqual([]);
  });

  it('names what the path names, and never who may not see it', async () => {
    const id = '99999999-9999-4999-8999-999999999999';
    await service.send('GET', `/orgs/${ORG_A}/exports/${id}`, undefined, keyOf('adminA'));
    await service.send('DELETE', `/orgs/${ORG_A}/api-keys/%00%F0%9F%98%80`, undefined, keyOf('adminA'));
    const [, key, job] = await entries();
    expect(job).toMatchObject({ resourceId: id, route: '/analytics/v1/orgs/:orgId/exports/:jobId' });
    expect(key).toMatchObject({ resourceId: '\uFFFD😀', method: 'DELETE', permission: 'org-keys:admin' });
    const refused = await service.send('GET', '/admin/audit', undefined, keyOf('adminA'));
    expect(refused).toMatchObject({ status: 403 });
  });

  it('is read in pages without a gap while more comes', async () => {
    for (let index = 0; index < 7; index += 1) await service.send('GET', '/admin/data-gaps');
    const seen: number[] = [];
    for (let cursor: string | null = null, first = true; first || cursor !== null; first = false) {
      const { body } = await service.send('GET', `/admin/audit?limit=3${cursor ? `&cursor=${cursor}` : ''}`);
      seen.push(...body.entries.map(({ sequence }: { sequence: string }) => Number(sequence)));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    for (const bad of ['0', '-1', 'x', '1;2', '9'.repeat(30)])
      expect((await service.send('GET', `/admin/audit?cursor=${encodeURIComponent(bad)}`)).status).toBe(400);
  });

  it('stays one chain when replicas write at the same time', async () => {
    const other = await startTrial(database, { now: NOW, principals: PRINCIPALS });
    try {
      const requests = Array.from(
        { length: 120 },
        (_, index) =>
        (index % 2 === 0 ? service : other).send('GET', index % 3 === 0 ? '/usage' : `/orgs/${ORG_B}/usage`, undefined, keyOf('viewerA')), // prettier-ignore
      );
      await Promise.all(requests);
      const { entries: count, faults } = await verifyAudit(database.pool);
      expect([Number(count), faults]).toEqual([120, []]);
    } finally {
      await other.close();
    }
  });

  it('refuses to be changed', async () => {
    await service.send('GET', '/admin/data-gaps');
    for (const statement of [
      `update audit_log set decision = 'refused'`,
      'delete from audit_log',
      'truncate audit_log',
    ])
      await expect(database.pool.query(statement)).rejects.toThrow('The audit log is append-only.');
  });

  describe('that somebody changed who may do everything', () => {
    const around = async (...statements: string[]): Promise<ChainFault[]> => {
      await tamper(database.pool, statements);
      return [...(await verifyAudit(database.pool)).faults];
    };
    beforeEach(async () => {
      for (let index = 0; index < 9; index += 1) await service.send('GET', '/admin/data-gaps');
      expect((await verifyAudit(database.pool)).faults).toEqual([]);
    });

    it.each<[string, string[], [string, number][]]>([
      [
        'an entry edited',
        [`update audit_log set principal_id = 'nobody' where sequence = 4`],
        [['edited', 4]],
      ],
      ['an entry removed', ['delete from audit_log where sequence = 4'], [['removed', 4]]],
      ['the beginning removed', ['delete from audit_log where sequence < 3'], [['removed', 1]]],
      ['the end cut off', ['delete from audit_log where sequence > 6'], [['truncated', 7]]],
      ['everything gone', ['delete from audit_log'], [['truncated', 1]]],
      [
        'two entries that changed places',
        [
          'update audit_log set sequence = 100 where sequence = 4',
          'update audit_log set sequence = 4 where sequence = 5',
          'update audit_log set sequence = 5 where sequence = 100',
        ],
        [
          ['reordered', 4],
          ['reordered', 5],
          ['reordered', 6],
        ],
      ],
    ])('shows %s, and where', async (_, statements, expected) => {
      const faults = await around(...statements);
      expect(faults.map(({ kind: found, sequence }) => [found, Number(sequence)])).toEqual(expected);
    });
  });

  it('lets nobody in while it cannot be written, and takes up again', async () => {
    await database.pool.query('alter table audit_head rename to audit_head_away');
    expect(await service.send('GET', '/admin/data-gaps')).toMatchObject({ status: 503, body: { detail: expect.stringContaining('audit log') } }); // prettier-ignore
    expect(await service.send('GET', `/orgs/${ORG_A}/usage`, undefined, keyOf('viewerA'))).toMatchObject({ status: 200 }); // prettier-ignore
    await database.pool.query('alter table audit_head_away rename to audit_head');
    expect(await service.send('GET', '/admin/data-gaps')).toMatchObject({ status: 200 });
    expect((await verifyAudit(database.pool)).faults).toEqual([]);
  });

  it('is written in groups when much comes at once', async () => {
    const trail = service.app.get(AuditTrail);
    const decision = {
      decidedAt: NOW, principalId: 'p', principalKind: 'jwt' as const, principalOrgId: null, principalRoles: ['platform-admin'],
      permission: 'platform:read', method: 'GET', route: '/usage', orgId: null, resourceId: null, decision: 'granted' as const, requestId: 'r',
    }; // prettier-ignore
    await Promise.all(Array.from({ length: 2_000 }, () => trail.record(decision)));
    const { rows } = await database.pool.query(
      'select count(*)::int as n, count(distinct xmin::text)::int as transactions from audit_log',
    );
    expect(rows[0].n).toBe(2_000);
    expect(rows[0].transactions).toBeLessThanOrEqual(6);
    expect((await verifyAudit(database.pool)).faults).toEqual([]);
  });
});

/** As the owner of the database can, who takes the trigger away. */
async function tamper(pool: Pool, statements: readonly string[]): Promise<void> {
  await pool.query('alter table audit_log disable trigger append_only');
  for (const statement of statements) await pool.query(statement);
  await pool.query('alter table audit_log enable trigger append_only');
}
