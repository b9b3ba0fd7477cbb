import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../shared/errors';
import type { LoggedRequest } from '../logging/log-options';
import { toProblem } from './problem';

const logger = new Logger('Requests');

/** Answers every failure of a request as `application/problem+json`; logs those that nobody foresaw. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    // Handlers of broker messages decide for themselves what a failure means.
    if (host.getType<string>() !== 'http') throw error;
    answerProblem(
      error,
      host.switchToHttp().getRequest<FastifyRequest>(),
      host.switchToHttp().getResponse<FastifyReply>(),
    );
  }
}

/** Also for failures before there is a route, which no filter sees. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { routeOptions } = request;
  const { problem, retryAfterSeconds, log } = toProblem(error, routeOptions?.bodyLimit);
  const fields = { err: error, route: routeOptions?.url };
  if (log === 'error') logger.error(fields, 'A request failed unexpectedly');
  if (log === 'warn') logger.warn(fields, 'A request failed because something is away');
  if (error instanceof AppError) (request.raw as LoggedRequest).reason = codeOf(error.cause);
  if (reply.raw.headersSent) {
    // Part of the answer is out: only a broken connection still tells the caller that it is not whole.
    reply.raw.destroy();
    return;
  }
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  void reply
    .status(problem.status)
    .header('content-type', 'application/problem+json')
    // Fastify would append a charset, which the media type does not define.
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(problem);
}

function codeOf(cause: unknown): string | undefined {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
}
