import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { toProblem } from './problem';

/** Answers every failure of a request as `application/problem+json`; logs those that nobody foresaw. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    // Handlers of broker messages decide for themselves what a failure means.
    if (host.getType<string>() !== 'http') throw error;
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const { problem, retryAfterSeconds, unexpected } = toProblem(error);
    if (unexpected)
      this.logger.error({ err: error, route: request.routeOptions?.url }, 'A request failed unexpectedly');
    if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply
      .status(problem.status)
      .header('content-type', 'application/problem+json')
      // Fastify would append a charset, which the media type does not define.
      .serializer((payload: unknown) => JSON.stringify(payload))
      .send(problem);
  }
}
