import type { PRINCIPAL_ROLES } from '../platform/config/settings';

export type Role = (typeof PRINCIPAL_ROLES)[number];

/** What a route may ask for. Routes say it with `@Requires`; whoever lacks it is refused. */
export type Permission =
  | 'events:write'
  | 'usage:read'
  | 'freshness:read'
  | 'exports:read'
  | 'exports:write'
  | 'platform:read'
  | 'ingestion:admin'
  | 'audit:read'
  | 'keys:admin';

/** Roles that reach every organisation; only credentials without an organisation of their own have them. */
export const PLATFORM_ROLES: readonly Role[] = ['platform-admin'];

/** The whole of who may do what. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  'platform-admin': [
    'events:write',
    'usage:read',
    'freshness:read',
    'exports:read',
    'exports:write',
    'platform:read',
    'ingestion:admin',
    'audit:read',
    'keys:admin',
  ],
  'org-admin': ['usage:read', 'freshness:read', 'exports:read', 'exports:write', 'keys:admin'],
  'org-viewer': ['usage:read', 'freshness:read'],
  'org-finance': ['usage:read', 'freshness:read', 'exports:read', 'exports:write'],
  producer: ['events:write'],
};
