import {
  type Attributes,
  context,
  type Context,
  isSpanContextValid,
  type Link,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Config } from '../config/config';

const SERVICE = 'usage-analytics';
/** W3C Trace Context, the version there is. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

let stopExporting: (() => Promise<void>) | undefined;

/** Whether spans are recorded at all; where not, nothing is wrapped, so that tracing costs nothing. */
export function isTracing(): boolean {
  return stopExporting !== undefined;
}

/** Sends spans to OTEL_EXPORTER_OTLP_ENDPOINT from now on; without it nothing is loaded. Call before the application is made. */
export async function startTracing({ otlpEndpoint, traceRatio, serviceRoles }: Config): Promise<void> {
  if (otlpEndpoint === null || isTracing()) return;
  const { startExporting } = await import('./span-export');
  stopExporting = startExporting(otlpEndpoint, Number(traceRatio), {
    'service.name': SERVICE,
    'service.roles': [...serviceRoles],
  });
}

/** Sends what is left. Never throws: a collector that is away must not hold up a shutdown. */
export async function stopTracing(): Promise<void> {
  const stop = stopExporting;
  stopExporting = undefined;
  await stop?.().catch(() => undefined);
}

export interface SpanDescription {
  readonly name: string;
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** `traceparent` of what has led to this without calling it. */
  readonly causes?: readonly string[];
  /** Of the caller, where that is not the active span. */
  readonly parent?: Context;
}

/** A span that somebody else ends. */
export function beginSpan({ name, kind, attributes, causes, parent }: SpanDescription): Span {
  const options = {
    kind: kind ?? SpanKind.INTERNAL,
    attributes: attributes ?? {},
    links: (causes ?? []).flatMap(linkOf),
  };
  return trace.getTracer(SERVICE).startSpan(name, options, parent ?? context.active());
}

/** Runs `work` inside a span that ends with it; what it throws is noted and thrown on. */
export async function inSpan<Result>(
  description: SpanDescription,
  work: () => Promise<Result>,
): Promise<Result> {
  const span = beginSpan(description);
  try {
    return await context.with(trace.setSpan(context.active(), span), work);
  } catch (error) {
    noteFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Only the kind of error: messages may quote what callers have sent. */
export function noteFailure(span: Span, error: unknown): void {
  const type = error instanceof Error ? error.name : typeof error;
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}

/** What a message carries so that its consumer knows what led to it; nothing outside a recorded span. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  if (isTracing()) propagation.inject(context.active(), headers);
  return headers;
}

/** Of the active span, for log lines and exemplars. */
export function activeTraceId(): string | undefined {
  if (!isTracing()) return undefined;
  const spanContext = trace.getActiveSpan()?.spanContext();
  return spanContext && isSpanContextValid(spanContext) ? spanContext.traceId : undefined;
}

function linkOf(traceparent: string): Link[] {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (!traceId || !spanId || !flags) return [];
  const linked = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(linked) ? [{ context: linked }] : [];
}
