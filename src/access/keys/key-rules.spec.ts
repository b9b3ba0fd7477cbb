import { createHash } from 'node:crypto';
import { ROLE_PERMISSIONS, type Role } from '../permissions';
import type { Principal } from '../principal';
import { assertMayGive, makeKey } from './key-rules';

const ORG = '11111111-1111-4111-8111-111111111111';
const maker = (orgId: string | null, ...roles: Role[]): Principal => ({
  id: 'maker',
  kind: 'jwt',
  roles,
  orgId,
});

describe('a key that is made', () => {
  it('has 256 random bits under a random id, and leaves only their hash', () => {
    const made = Array.from({ length: 200 }, makeKey);
    for (const { keyId, text, secretSha256 } of made) {
      expect(keyId).toMatch(/^[A-Za-z0-9]{16}$/);
      const [, id, secret = ''] = /^ak_([A-Za-z0-9]+)_([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
      expect(id).toBe(keyId);
      expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
      expect(secretSha256).toEqual(createHash('sha256').update(secret).digest());
    }
    expect(new Set(made.map(({ text }) => text.slice(-43))).size).toBe(200);
    // Each of 62 characters is missing from 3,200 with a chance of 10^-23.
    expect(new Set(made.flatMap(({ keyId }) => [...keyId])).size).toBe(62);
  });
});

describe('the roles of a key', () => {
  const give = (by: Principal, roles: readonly Role[], orgId: string | null) => () =>
    assertMayGive(by, roles, orgId);

  it('give no permission that its maker has not', () => {
    const all = Object.keys(ROLE_PERMISSIONS) as Role[];
    for (const role of all.filter((each) => each !== 'platform-admin')) {
      const wider = all.filter((each) => each !== 'platform-admin' && !ROLE_PERMISSIONS[each].every((permission) => ROLE_PERMISSIONS[role].includes(permission))); // prettier-ignore
      for (const each of wider)
        expect(give(maker(ORG, role), [each], ORG)).toThrow(expect.objectContaining({ kind: 'forbidden', message: expect.stringMatching(/^A key cannot do more than its maker, and you have no permission [a-z-]+:[a-z]+\.$/) })); // prettier-ignore
      expect(give(maker(ORG, role), [role], ORG)).not.toThrow();
    }
    expect(give(maker(ORG, 'org-admin'), ['org-viewer', 'producer'], ORG)).toThrow('events:write');
    expect(give(maker(null, 'platform-admin'), ['org-admin', 'producer'], ORG)).not.toThrow();
  });

  it('mean something in its organisation, or in the platform', () => {
    const admin = maker(null, 'platform-admin');
    const ofOrg = 'may only hold platform-admin and producer: others need an organisation.';
    const ofPlatform = 'may only hold those of an organisation, not platform-admin.';
    for (const [roles, orgId, detail] of [
      [['org-viewer'], null, ofOrg],
      [['producer', 'org-admin'], null, ofOrg],
      [['platform-admin'], ORG, ofPlatform],
      [['org-viewer', 'platform-admin'], ORG, ofPlatform],
    ] as const) {
      const refusal = { kind: 'invalid', message: `roles: ${detail}`, violations: [{ pointer: '/roles', detail }] }; // prettier-ignore
      expect(give(admin, roles, orgId)).toThrow(expect.objectContaining(refusal));
    }
    expect(give(admin, ['platform-admin', 'producer'], null)).not.toThrow();
  });
});
