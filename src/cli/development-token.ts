import { signDevelopmentToken } from '../access/development-keys';
import type { Role } from '../access/permissions';
import { SETTINGS } from '../platform/config/settings';

/** A development token for a service of the same `dataDir`; issuer and audience are the defaults unless given. */
export function developmentToken(claims: {
  dataDir: string;
  role: Role;
  orgId: string | null;
  expiresIn?: string;
  issuer?: string;
  audience?: string;
}): Promise<string> {
  return signDevelopmentToken({
    issuer: SETTINGS.authIssuer.default,
    audience: SETTINGS.authAudience.default,
    subject: `development-${claims.role}`,
    expiresIn: '8h',
    ...claims,
  });
}
