import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { beginSpan } from './tracing';

const UNTRACED = /^\/(healthz|metrics)\b/;
const spans = new WeakMap<FastifyRequest, Span>();

/** A span for each request, as part of the caller's trace where the request names one. */
export function traceRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _, done) => {
    if (UNTRACED.test(request.url)) return done();
    const { method, headers, routeOptions } = request;
    const route = routeOptions.url ?? 'none';
    const span = beginSpan({
      name: `${method} ${route}`,
      kind: SpanKind.SERVER,
      attributes: { 'http.request.method': method, 'http.route': route },
      parent: propagation.extract(context.active(), headers),
    });
    spans.set(request, span);
    context.with(trace.setSpan(context.active(), span), done);
  });
  fastify.addHook('onResponse', (request, { statusCode }, done) => {
    const span = spans.get(request);
    span?.setAttribute('http.response.status_code', statusCode);
    if (statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}

/** For the exemplar of its duration. */
export function traceIdOf(request: FastifyRequest): string | undefined {
  return spans.get(request)?.spanContext().traceId;
}
