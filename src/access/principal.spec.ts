import { ROLE_PERMISSIONS, type Role } from './permissions';
import { hasPermission, OrgScope, type Principal } from './principal';

const ORG = '11111111-1111-4111-8111-111111111111';

function principal(orgId: string | null, ...roles: Role[]): Principal {
  return { id: 'someone', kind: 'jwt', roles, orgId };
}

describe('a principal', () => {
  it('may what any of its roles gives', () => {
    const both = principal(ORG, 'producer', 'org-viewer');
    expect(hasPermission(both, 'events:write')).toBe(true);
    expect(hasPermission(both, 'usage:read')).toBe(true);
    expect(hasPermission(both, 'exports:write')).toBe(false);
  });

  it('may nothing without a role', () => {
    const nobody = principal(ORG);
    const all = Object.values(ROLE_PERMISSIONS).flat();
    expect(all.filter((permission) => hasPermission(nobody, permission))).toEqual([]);
  });

  it('of an organisation never acts for the platform, whatever its roles say', () => {
    const pretender = principal(ORG, 'platform-admin');
    expect(hasPermission(pretender, 'platform:read')).toBe(false);
    expect(hasPermission(pretender, 'usage:read')).toBe(false);
    expect(OrgScope.of(pretender, '22222222-2222-4222-8222-222222222222')).toBeUndefined();
  });

  it('without an organisation sees none unless its role is the platform’s', () => {
    expect(OrgScope.of(principal(null, 'org-admin'), ORG)).toBeUndefined();
    expect(OrgScope.of(principal(null, 'org-viewer', 'platform-admin'), ORG)?.orgId).toBe(ORG);
  });

  it('of an organisation gets the scope of that one and of no other, however it is written', () => {
    const own = 'abcdef11-1111-4111-8111-111111111111';
    const scope = OrgScope.of(principal(own, 'org-viewer'), own.toUpperCase());
    expect(scope).toMatchObject({ orgId: own, isGranted: true });
    expect(OrgScope.of(principal(own, 'org-viewer'), ORG)).toBeUndefined();
    expect(OrgScope.of(principal(own), '')).toBeUndefined();
  });
});

describe('the table of roles', () => {
  it('lets producers send events and nothing else', () => {
    expect(ROLE_PERMISSIONS.producer).toEqual(['events:write']);
  });

  it('gives cross-organisation permissions to the platform only', () => {
    const organisations = (Object.keys(ROLE_PERMISSIONS) as Role[]).filter(
      (role) => role !== 'platform-admin',
    );
    const given = organisations.flatMap((role) => ROLE_PERMISSIONS[role]);
    for (const permission of ['platform:read', 'ingestion:admin', 'audit:read'] as const) {
      expect(given).not.toContain(permission);
    }
  });
});
