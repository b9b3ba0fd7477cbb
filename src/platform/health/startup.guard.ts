import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AppError } from '../../shared/errors';
import { Config } from '../config/config';
import { DatabaseSchema } from '../database/database-schema';
import { ANONYMOUS } from '../http/allow-anonymous.decorator';

const RETRY_AFTER_SECONDS = 5;

/**
 * Until the database has the schema of this release, and in processes without the role api, only what asks for no
 * credential answers: probes, metrics, documentation.
 */
@Injectable()
export class StartupGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    // Handlers of broker messages wait for the schema by themselves.
    if (context.getType<string>() !== 'http') return true;
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(ANONYMOUS, targets)) return true;
    if (!this.config.serviceRoles.includes('api')) {
      throw new AppError('not_found', 'This process answers no requests: its SERVICE_ROLES lack api.');
    }
    if (this.schema.status.state === 'waiting') {
      throw new AppError('unavailable', 'The service is starting and waits for its database; try again.', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    return true;
  }
}
