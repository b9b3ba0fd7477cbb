import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../platform/http/allow-anonymous.decorator';
import type { LoggedRequest } from '../platform/logging/log-options';
import { Clock } from '../shared/clock';
import { AppError } from '../shared/errors';
import { UUID } from '../shared/uuid';
import { AuditTrail } from './audit/audit-trail';
import type { AuthenticatedRequest } from './authenticated-request';
import { BearerTokens } from './bearer-tokens';
import { ApiKeys } from './keys/api-keys';
import { RequestLimit } from './limits/request-limit';
import { AUDITED, type Permission } from './permissions';
import { hasPermission, OrgScope, type Principal } from './principal';
import { REQUIRED_PERMISSION } from './requires.decorator';

/**
 * Denies by default: a route that asks for nothing lets nobody in. A foreign organisation answers exactly like one
 * that does not exist, whatever permission is lacking besides. Who may and who may not is in the audit log before the
 * request goes on; without an entry it does not.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly bearerTokens: BearerTokens,
    private readonly apiKeys: ApiKeys,
    private readonly limit: RequestLimit,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Handlers of broker messages pass here too; their sender is the broker's own access control.
    if (context.getType<string>() !== 'http') return true;
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(ANONYMOUS, targets)) return true;
    const permission = this.reflector.getAllAndOverride<Permission | undefined>(REQUIRED_PERMISSION, targets);
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const principal = await this.authenticate(request);
    request.principal = principal;
    (request.raw as LoggedRequest).principalId = principal.id;
    await this.limit.take(principal, http.getResponse<FastifyReply>());

    const refusal = authorize(request, principal, permission);
    if (isAudited(request, principal, permission))
      await this.audit.record(this.decision(request, principal, permission, refusal));
    if (refusal) throw refusal;
    return true;
  }

  private async authenticate({ headers }: FastifyRequest): Promise<Principal> {
    const apiKey = headers['x-api-key'];
    const { authorization } = headers;
    if (typeof apiKey === 'string' && authorization === undefined) return this.apiKeys.verify(apiKey);
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    if (token !== undefined && apiKey === undefined) return this.bearerTokens.verify(token);
    throw new AppError(
      'unauthenticated',
      'Send one credential: Authorization: Bearer <token>, or X-API-Key: <key>.',
    );
  }

  private decision(
    request: AuthenticatedRequest,
    principal: Principal,
    permission: Permission | undefined,
    refusal: AppError | undefined,
  ) {
    const { orgId, ...others } = request.params as Record<string, string>;
    return {
      decidedAt: this.clock.now(),
      principalId: principal.id,
      principalKind: principal.kind,
      principalOrgId: principal.orgId,
      principalRoles: principal.roles,
      permission: permission ?? null,
      method: request.method,
      route: request.routeOptions.url ?? '',
      orgId: orgId !== undefined && UUID.test(orgId) ? orgId.toLowerCase() : null,
      resourceId: storable(Object.values(others)[0]),
      decision: refusal ? ('refused' as const) : ('granted' as const),
      requestId: request.id,
    };
  }
}

/** Why the principal may not, or `undefined`. Gives the request the scope of the organisation in its path. */
function authorize(
  request: AuthenticatedRequest,
  principal: Principal,
  permission: Permission | undefined,
): AppError | undefined {
  const { orgId } = request.params as { orgId?: string };
  if (orgId !== undefined) {
    if (!UUID.test(orgId)) return AppError.invalidParameter('orgId', 'must be a UUID.');
    const scope = OrgScope.of(principal, orgId);
    if (!scope) return new AppError('not_found', 'There is no such organisation.');
    request.orgScope = scope;
    (request.raw as LoggedRequest).orgId = scope.orgId;
  }
  if (permission === undefined)
    return new AppError('forbidden', 'Nobody may do this: the route grants nothing.');
  if (hasPermission(principal, permission)) return undefined;
  return new AppError('forbidden', `This needs the permission ${permission}, which your roles do not give.`);
}

/** Also what reaches, or tries to reach, into an organisation that the credential does not belong to. */
function isAudited(
  { params }: FastifyRequest,
  { orgId: own }: Principal,
  permission: Permission | undefined,
): boolean {
  const { orgId } = params as { orgId?: string };
  if (orgId !== undefined && orgId.toLowerCase() !== own) return true;
  return permission === undefined || AUDITED.includes(permission);
}

/** PostgreSQL's text has no NUL. A parameter of a path has at most 100 characters: Fastify finds no route for more. */
function storable(text: string | undefined): string | null {
  return text === undefined ? null : text.replaceAll('\0', '\uFFFD').toWellFormed();
}
