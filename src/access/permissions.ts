import type { PRINCIPAL_ROLES } from '../platform/config/settings';

export type Role = (typeof PRINCIPAL_ROLES)[number];

/** What a route may ask for. Routes say it with `@Requires`; whoever lacks it is refused. */
export const PERMISSIONS = [
  'events:write',
  'usage:read',
  'freshness:read',
  'exports:read',
  'exports:write',
  'platform:read',
  'ingestion:admin',
  'audit:read',
  'org-keys:admin',
  'keys:admin',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Roles that reach every organisation; only credentials without an organisation of their own have them. */
export const PLATFORM_ROLES: readonly Role[] = ['platform-admin'];

/** Roles that mean something in a credential without an organisation. */
export const ROLES_WITHOUT_ORG: readonly Role[] = [...PLATFORM_ROLES, 'producer'];

/** The whole of who may do what. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  'platform-admin': PERMISSIONS,
  'org-admin': ['usage:read', 'freshness:read', 'exports:read', 'exports:write', 'org-keys:admin'],
  'org-viewer': ['usage:read', 'freshness:read'],
  'org-finance': ['usage:read', 'freshness:read', 'exports:read', 'exports:write'],
  producer: ['events:write'],
};

/** Decisions on these are kept in the audit log, and so is every request of the platform's on an organisation. */
export const AUDITED: readonly Permission[] = [
  'exports:read',
  'exports:write',
  'platform:read',
  'ingestion:admin',
  'audit:read',
  'org-keys:admin',
  'keys:admin',
];
