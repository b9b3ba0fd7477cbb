import fc from 'fast-check';
import { type AuditedDecision, type AuditEntry, chained, ChainCheck, type ChainFault, type ChainHead, NO_ENTRY } from './audit-chain'; // prettier-ignore

const AT = Date.UTC(2026, 10, 24);

function decisions(count: number): AuditedDecision[] {
  return Array.from({ length: count }, (_, index) => ({
    decidedAt: new Date(AT + index * 1_000),
    principalId: `someone-${index % 3}`,
    principalKind: index % 2 === 0 ? ('jwt' as const) : ('api-key' as const),
    principalOrgId: index % 4 === 0 ? null : '11111111-1111-4111-8111-111111111111',
    principalRoles: ['org-admin'],
    permission: 'exports:read',
    method: 'GET',
    route: '/analytics/v1/orgs/:orgId/exports',
    orgId: '11111111-1111-4111-8111-111111111111',
    resourceId: null,
    decision: index % 5 === 0 ? ('refused' as const) : ('granted' as const),
    requestId: `request-${index}`,
  }));
}

function check(
  entries: readonly AuditEntry[],
  head: ChainHead,
  noted: readonly ChainHead[] = [],
): ChainFault[] {
  const checking = new ChainCheck(noted);
  return [...entries.flatMap((entry) => checking.add(entry)), ...checking.finish(head)];
}

const found = (faults: readonly ChainFault[]) => faults.map(({ kind, sequence }) => [kind, Number(sequence)]);

const chains = fc.tuple(fc.integer({ min: 3, max: 30 }), fc.nat(), fc.nat()).map(([count, first, second]) => {
  const entries = chained(NO_ENTRY, decisions(count));
  return { entries, head: entries.at(-1) as ChainHead, at: first % count, other: second % count };
});

describe('the chain of the audit log', () => {
  it('is without fault as it was written, also over several writings', () => {
    const all = decisions(7);
    const first = chained(NO_ENTRY, all.slice(0, 3));
    const second = chained(first.at(-1) as ChainHead, all.slice(3));
    expect(second.map(({ sequence }) => sequence)).toEqual([4n, 5n, 6n, 7n]);
    expect(check([...first, ...second], second.at(-1) as ChainHead)).toEqual([]);
    expect(check([], NO_ENTRY)).toEqual([]);
  });

  const edits: [string, Partial<AuditedDecision>][] = [
    ['who', { principalId: 'nobody' }],
    ['by what', { principalKind: 'jwt', principalRoles: ['org-admin', 'producer'] }],
    ['of which organisation', { principalOrgId: '22222222-2222-4222-8222-222222222222' }],
    ['when', { decidedAt: new Date(AT - 1) }],
    ['what for', { permission: 'usage:read' }],
    ['how', { method: 'DELETE' }],
    ['which route', { route: '/' }],
    ['where', { orgId: null }],
    ['which one', { resourceId: 'x' }],
    ['which request', { requestId: 'x' }],
  ];
  it.each(edits)('shows an entry in which %s was edited, and only that', (_, edit) => {
    fc.assert(
      fc.property(chains, ({ entries, head, at }) => {
        const edited = entries.map((entry, index) => (index === at ? { ...entry, ...edit } : entry));
        expect(found(check(edited, head))).toEqual([['edited', at + 1]]);
      }),
      { numRuns: 20 },
    );
  });

  it('shows a decision that was turned round', () => {
    fc.assert(
      fc.property(chains, ({ entries, head, at }) => {
        const edited = entries.map((entry, index): AuditEntry =>
          index === at ? { ...entry, decision: entry.decision === 'granted' ? 'refused' : 'granted' } : entry,
        );
        expect(found(check(edited, head))).toEqual([['edited', at + 1]]);
      }),
    );
  });

  it('shows entries that were removed, and how many', () => {
    fc.assert(
      fc.property(chains, ({ entries, head, at, other }) => {
        const [from, to] = [Math.min(at, other), Math.max(at, other)];
        fc.pre(to < entries.length - 1);
        const faults = check([...entries.slice(0, from), ...entries.slice(to + 1)], head);
        expect(found(faults)).toEqual([['removed', from + 1]]);
        expect(faults[0]?.detail).toContain(
          `entries ${from + 1} to ${to + 1} (${to - from + 1}) are missing`,
        );
      }),
    );
  });

  it('shows entries that were removed and the others numbered anew', () => {
    fc.assert(
      fc.property(chains, ({ entries, head, at }) => {
        fc.pre(at < entries.length - 1);
        const rest = [...entries.slice(0, at), ...entries.slice(at + 1)];
        const numbered = rest.map((entry, index) => ({ ...entry, sequence: BigInt(index + 1) }));
        expect(found(check(numbered, head))).toContainEqual(['reordered', at + 1]);
      }),
    );
  });

  it('shows entries that changed places', () => {
    fc.assert(
      fc.property(chains, ({ entries, head, at, other }) => {
        fc.pre(at !== other);
        const [first, second] = [Math.min(at, other), Math.max(at, other)];
        const moved = [...entries];
        moved[first] = { ...(entries[second] as AuditEntry), sequence: BigInt(first + 1) };
        moved[second] = { ...(entries[first] as AuditEntry), sequence: BigInt(second + 1) };
        expect(found(check(moved, head))).toContainEqual(['reordered', first + 1]);
      }),
    );
  });

  it('shows entries that were cut off at the end, also all of them', () => {
    fc.assert(
      fc.property(chains, ({ entries, head, at }) => {
        expect(found(check(entries.slice(0, at), head))).toEqual([['truncated', at + 1]]);
      }),
    );
  });

  it('shows an end that was cut off together with its record, by an entry that was noted elsewhere', () => {
    const entries = chained(NO_ENTRY, decisions(9));
    const [noted, cut] = [entries[7] as AuditEntry, entries.slice(0, 5)];
    expect(check(cut, cut.at(-1) as ChainHead)).toEqual([]);
    expect(found(check(cut, cut.at(-1) as ChainHead, [noted]))).toEqual([['truncated', 6]]);
  });

  it('shows a log that was written anew, by an entry that was noted elsewhere', () => {
    const entries = chained(NO_ENTRY, decisions(9));
    const anew = chained(NO_ENTRY, decisions(9).map((decision, index) => (index === 2 ? { ...decision, method: 'PUT' } : decision))); // prettier-ignore
    const head = anew.at(-1) as ChainHead;
    expect(check(anew, head)).toEqual([]);
    expect(found(check(anew, head, [entries[1] as AuditEntry]))).toEqual([]);
    expect(found(check(anew, head, [entries[6] as AuditEntry]))).toEqual([['edited', 7]]);
  });

  it('shows a record of the end that is not the end', () => {
    const entries = chained(NO_ENTRY, decisions(4));
    expect(found(check(entries, { sequence: 3n, hash: (entries[2] as AuditEntry).hash }))).toEqual([
      ['edited', 4],
    ]);
    expect(found(check(entries, { sequence: 4n, hash: NO_ENTRY.hash }))).toEqual([['edited', 4]]);
  });
});
