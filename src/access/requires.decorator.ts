import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import type { AuthenticatedRequest } from './authenticated-request';
import { type Permission, ROLE_PERMISSIONS, type Role } from './permissions';
import type { OrgScope, Principal } from './principal';

export const REQUIRED_PERMISSION = 'access:permission';

/** Only principals with this permission get in; also documents the route's permission, roles and problems. */
export function Requires(permission: Permission): MethodDecorator & ClassDecorator {
  return applyDecorators(
    SetMetadata(REQUIRED_PERMISSION, permission),
    ApiExtension('x-permission', permission),
    ApiExtension('x-roles', rolesWith(permission)),
    ApiBearerAuth(),
    ApiSecurity('apiKey'),
    ApiProblems('unauthenticated', 'forbidden', 'limited', 'unavailable'),
  );
}

function rolesWith(permission: Permission): Role[] {
  const roles = Object.keys(ROLE_PERMISSIONS) as Role[];
  return roles.filter((role) => ROLE_PERMISSIONS[role].includes(permission));
}

/** The organisation of the path, which the guard has found to be the principal's to see. */
export const Scope = createParamDecorator((_: unknown, context: ExecutionContext): OrgScope => {
  const { orgScope } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!orgScope) throw new Error('@Scope() needs a route with an {orgId} in its path.');
  return orgScope;
});

export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!principal) throw new Error('@CurrentPrincipal() needs a route with @Requires.');
  return principal;
});
