import { createHash, randomBytes, randomInt } from 'node:crypto';
import { AppError } from '../../shared/errors';
import { PLATFORM_ROLES, ROLE_PERMISSIONS, type Role, ROLES_WITHOUT_ORG } from '../permissions';
import { hasPermission, type Principal } from '../principal';

const ID_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 16;

/** A key that has just been made. Nothing can show `text` again. */
export interface MadeKey {
  readonly keyId: string;
  /** `ak_<id>_<secret>`. */
  readonly text: string;
  readonly secretSha256: Buffer;
}

/** 256 random bits under a random id of 16 letters and digits. */
export function makeKey(): MadeKey {
  const keyId = Array.from({ length: ID_LENGTH }, () => ID_CHARACTERS[randomInt(ID_CHARACTERS.length)]).join(
    '',
  );
  const secret = randomBytes(32).toString('base64url');
  return {
    keyId,
    text: `ak_${keyId}_${secret}`,
    secretSha256: createHash('sha256').update(secret).digest(),
  };
}

/** Throws `invalid` for roles that mean nothing in such a key, `forbidden` for more than its maker may do. */
export function assertMayGive(maker: Principal, roles: readonly Role[], orgId: string | null): void {
  const meaningless = roles.filter((role) =>
    orgId === null ? !ROLES_WITHOUT_ORG.includes(role) : PLATFORM_ROLES.includes(role),
  );
  if (meaningless.length > 0) {
    const allowed = orgId === null ? `${ROLES_WITHOUT_ORG.join(' and ')}: others need an organisation` : `those of an organisation, not ${PLATFORM_ROLES.join(', ')}`; // prettier-ignore
    const detail = `may only hold ${allowed}.`;
    throw new AppError('invalid', `roles: ${detail}`, { violations: [{ pointer: '/roles', detail }] });
  }
  const permissions = roles.flatMap((role) => ROLE_PERMISSIONS[role]);
  const wider = permissions.find((permission) => !hasPermission(maker, permission));
  if (wider !== undefined)
    throw new AppError(
      'forbidden',
      `A key cannot do more than its maker, and you have no permission ${wider}.`,
    );
}
