import { type Permission, PLATFORM_ROLES, ROLE_PERMISSIONS, type Role } from './permissions';

/** Who is calling, as the credential proves it. */
export interface Principal {
  /** The token's subject, or the id of the API key. */
  readonly id: string;
  readonly kind: 'jwt' | 'api-key';
  readonly roles: readonly Role[];
  /** The organisation the credential belongs to, in lower case; `null` for the platform's own. */
  readonly orgId: string | null;
}

/** A role of the platform counts only in a credential of the platform: an organisation cannot have it. */
export function hasPermission({ roles, orgId }: Principal, permission: Permission): boolean {
  const counted = orgId === null ? roles : roles.filter((role) => !PLATFORM_ROLES.includes(role));
  return counted.some((role) => ROLE_PERMISSIONS[role].includes(permission));
}

/**
 * The organisation a request may see. Every statement on an organisation's data takes one, and there is no way to get
 * one but to prove that a principal may.
 */
export class OrgScope {
  // Nominal: an object with an orgId is no scope.
  readonly #granted = true;

  private constructor(readonly orgId: string) {}

  /** The scope of `orgId` for this principal, or `undefined` when the organisation is not its own. */
  static of(principal: Principal, orgId: string): OrgScope | undefined {
    const wanted = orgId.toLowerCase();
    const allowed =
      principal.orgId === null
        ? principal.roles.some((role) => PLATFORM_ROLES.includes(role))
        : principal.orgId === wanted;
    return allowed ? new OrgScope(wanted) : undefined;
  }

  get isGranted(): boolean {
    return this.#granted;
  }
}
