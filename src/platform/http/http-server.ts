import type { IncomingMessage } from 'node:http';
import compress from '@fastify/compress';
import helmet from '@fastify/helmet';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config/config';
import type { LoggedRequest } from '../logging/log-options';
import { requestDuration } from '../telemetry/http-metrics';
import { traceIdOf, traceRequests } from '../telemetry/traced-requests';
import { isTracing } from '../telemetry/tracing';
import { answerProblem, ProblemFilter } from './problem.filter';
import { requestId } from './request-id';
import { RequestValidation } from './request-validation';

/** A caller that sends its request in drops must not hold a connection for ever. */
const REQUEST_TIMEOUT_MS = 60_000;
const COMPRESS_FROM_BYTES = 1_024;
const LOOK_EVERY_MS = 50;

/** Fastify with our limits. */
export function httpAdapter(config: Config): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: config.httpBodyLimit,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    genReqId: ({ headers }: IncomingMessage) => requestId(headers),
    // For example a path that cannot be decoded.
    frameworkErrors: answerProblem,
  });
}

/** What every request passes through, the same in production and in tests. */
export async function configureHttp(app: NestFastifyApplication): Promise<void> {
  await app.register(helmet, {
    // The API's own documentation page needs its inline script.
    contentSecurityPolicy: {
      directives: { 'script-src': ["'self'", "'unsafe-inline'"], 'upgrade-insecure-requests': null },
    },
  });
  await app.register(compress, { threshold: COMPRESS_FROM_BYTES });
  const fastify = app.getHttpAdapter().getInstance();
  if (isTracing()) traceRequests(fastify);
  acceptJsonOnly(fastify);
  endWithRunningRequests(fastify);
  fastify.addHook('onRequest', async (request) => {
    (request.raw as LoggedRequest).route = request.routeOptions.url;
  });
  fastify.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id);
  });
  fastify.addHook('onResponse', async (request, reply) => measure(request, reply));
  app.useGlobalPipes(new RequestValidation());
  app.useGlobalFilters(new ProblemFilter());
}

function acceptJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('text/plain');
  fastify.addContentTypeParser(/^application\/cloudevents(-batch)?\+json/, { parseAs: 'string' }, parse);
}

/**
 * A shutdown waits for requests that run, not for connections: one on which nothing was ever asked is not idle to
 * Node.js and would be waited for.
 */
function endWithRunningRequests(fastify: FastifyInstance): void {
  let running = 0;
  fastify.addHook('onRequest', async () => void (running += 1));
  fastify.addHook('onResponse', async () => void (running -= 1));
  fastify.addHook('preClose', async () => {
    const look = setInterval(() => {
      if (running === 0) fastify.server.closeAllConnections();
    }, LOOK_EVERY_MS);
    fastify.server.once('close', () => clearInterval(look));
    look.unref();
  });
}

function measure(request: FastifyRequest, reply: FastifyReply): void {
  const { method, routeOptions } = request;
  const labels = { method, route: routeOptions.url ?? 'none', status: reply.statusCode };
  const traceId = traceIdOf(request);
  // The declared type knows no labels of exemplars but the histogram's own.
  const exemplarLabels: object = traceId === undefined ? {} : { trace_id: traceId };
  requestDuration.observe({ labels, value: reply.elapsedTime / 1_000, exemplarLabels });
}
