import { SpanKind } from '@opentelemetry/api';
import type { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { ConsumedMessage } from '../../shared/messages/trace-origin';
import { inSpan, type SpanDescription } from './tracing';

/** From now on each command and query runs in a span of its name; a consumed one links to its publishers. */
export function traceBus(bus: CommandBus | QueryBus): void {
  const execute = bus.execute.bind(bus) as (message: object, ...rest: unknown[]) => Promise<unknown>;
  const traced = (message: object, ...rest: unknown[]): Promise<unknown> =>
    inSpan(describe(message), () => execute(message, ...rest));
  bus.execute = traced;
}

function describe(message: object & ConsumedMessage): SpanDescription {
  const { traceOrigin: origin } = message;
  if (!origin) return { name: message.constructor.name };
  const { name, attributes, publishers } = origin;
  return { name, kind: SpanKind.CONSUMER, attributes, causes: publishers };
}
