import type { FastifyRequest } from 'fastify';
import type { OrgScope, Principal } from './principal';

/** A request that has passed the guard. */
export interface AuthenticatedRequest extends FastifyRequest {
  principal?: Principal;
  /** Present on routes with an {orgId} in their path. */
  orgScope?: OrgScope;
}
