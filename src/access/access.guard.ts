import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../platform/http/allow-anonymous.decorator';
import type { LoggedRequest } from '../platform/logging/log-options';
import { AppError } from '../shared/errors';
import { ApiKeys } from './api-keys';
import type { AuthenticatedRequest } from './authenticated-request';
import { BearerTokens } from './bearer-tokens';
import type { Permission } from './permissions';
import { hasPermission, OrgScope, type Principal } from './principal';
import { REQUIRED_PERMISSION } from './requires.decorator';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Denies by default: a route that asks for nothing lets nobody in. A foreign organisation answers exactly like one
 * that does not exist, whatever permission is lacking besides.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly bearerTokens: BearerTokens,
    private readonly apiKeys: ApiKeys,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Handlers of broker messages pass here too; their sender is the broker's own access control.
    if (context.getType<string>() !== 'http') return true;
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(ANONYMOUS, targets)) return true;
    const permission = this.reflector.getAllAndOverride<Permission | undefined>(REQUIRED_PERMISSION, targets);
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const principal = await this.authenticate(request);
    request.principal = principal;
    const logged = request.raw as LoggedRequest;
    logged.principalId = principal.id;
    const { orgId } = request.params as { orgId?: string };
    if (orgId !== undefined) {
      request.orgScope = scopeOf(principal, orgId);
      logged.orgId = request.orgScope.orgId;
    }
    if (permission === undefined)
      throw new AppError('forbidden', 'Nobody may do this: the route grants nothing.');
    if (hasPermission(principal, permission)) return true;
    throw new AppError('forbidden', `This needs the permission ${permission}, which your roles do not give.`);
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
}

function scopeOf(principal: Principal, orgId: string): OrgScope {
  if (!UUID.test(orgId)) throw AppError.invalidParameter('orgId', 'must be a UUID.');
  const scope = OrgScope.of(principal, orgId);
  if (!scope) throw new AppError('not_found', 'There is no such organisation.');
  return scope;
}
