import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import compress from '@fastify/compress';
import helmet from '@fastify/helmet';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from '../config/config';
import { ProblemFilter } from './problem.filter';
import { requestValidation } from './request-validation';

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Fastify with our limits. Request ids come from `x-request-id` where it is a plain one, else they are made. */
export function httpAdapter(config: Config): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: config.httpBodyLimit,
    // Connections must not outlive a graceful shutdown.
    forceCloseConnections: 'idle',
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
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
  await app.register(compress, { threshold: 1_024 });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addContentTypeParser(
    /^application\/cloudevents(-batch)?\+json/,
    { parseAs: 'string' },
    fastify.getDefaultJsonParser('error', 'error'),
  );
  fastify.addHook('onSend', async (request, reply) => {
    void reply.header('x-request-id', request.id);
  });
  app.useGlobalPipes(requestValidation());
  app.useGlobalFilters(new ProblemFilter());
}
