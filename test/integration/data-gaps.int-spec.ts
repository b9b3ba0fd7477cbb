import { randomUUID } from 'node:crypto';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { keyOf, startTrial, type TrialService } from '../support/trial-service';
import { ORG_A } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');

describeEachEngine('data gaps', (kind) => {
  let database: TestDatabase;
  let service: TrialService;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, {
      now: NOW,
      principals: { viewerA: { orgId: ORG_A, roles: ['org-viewer'] } },
    });
  });
  afterEach(async () => {
    await service?.close();
    await database?.drop();
  });

  it('are listed until an operator acknowledges them with a reason', async () => {
    await database.pool.query(
      `insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_from, data_through)
       values (0, 1, 'truncated', 5, 9, $1, $1), (1, 1, 'recreated', 7, null, null, $1)`,
      [NOW],
    );
    const { body: all } = await service.send('GET', '/admin/data-gaps?limit=1');
    expect([all.gaps.length, typeof all.nextCursor]).toEqual([1, 'string']);
    const { body: next } = await service.send('GET', `/admin/data-gaps?limit=1&cursor=${all.nextCursor}`);
    expect([next.gaps.length, next.nextCursor]).toEqual([1, null]);
    const { body: ofPartition } = await service.send('GET', '/admin/data-gaps?partition=1');
    expect(ofPartition.gaps).toMatchObject([
      { kind: 'recreated', fromOffset: 7, toOffset: null, state: 'open' },
    ]);
    const [{ gapId }] = ofPartition.gaps;
    const path = `/admin/data-gaps/${gapId}/acknowledge`;
    expect((await service.send('POST', path, { reason: ' ' })).body.errors[0].pointer).toBe('/reason');
    const { body } = await service.send('POST', path, { reason: 'sent again' });
    expect(body).toMatchObject({
      state: 'acknowledged',
      acknowledgedBy: 'reader',
      acknowledgedReason: 'sent again',
    });
    expect((await service.send('POST', path, { reason: 'sent again' })).status).toBe(409);
    expect((await service.send('GET', '/admin/data-gaps?state=open')).body.gaps).toHaveLength(1);
    expect((await service.send('GET', '/admin/data-gaps?state=closed')).body.errors[0].parameter).toBe(
      'state',
    );
    const unknown = await service.send('POST', `/admin/data-gaps/${randomUUID()}/acknowledge`, {
      reason: 'x',
    });
    expect(unknown.status).toBe(404);
    expect((await service.send('GET', '/admin/data-gaps', undefined, keyOf('viewerA'))).status).toBe(403);
  });
});
