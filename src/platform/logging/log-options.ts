import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Options } from 'pino-http';
import { activeTraceId } from '../telemetry/tracing';

/** What passes a request on its way leaves here for the one line that is logged when it has been answered. */
export interface LoggedRequest extends IncomingMessage {
  originalUrl?: string;
  /** The pattern, never the path: paths hold what callers make up. */
  route?: string;
  principalId?: string;
  orgId?: string;
  /** Code of why the request was refused, where the caller is not told. */
  reason?: string;
}

const PROBES = /^\/(healthz|metrics)\b/;

/**
 * JSON lines, one per answered request. Requests and errors are logged by lists of what may be: credentials, queries,
 * payloads and values of statements have no other way into the log.
 */
export function logOptions(level: string): Options<LoggedRequest, ServerResponse> {
  return {
    level,
    base: { service: 'usage-analytics' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    mixin: traceOfLine,
    serializers: { err: loggedError },
    wrapSerializers: false,
    customAttributeKeys: { reqId: 'requestId' },
    quietReqLogger: true,
    quietResLogger: true,
    customSuccessMessage: () => 'Answered a request',
    customErrorMessage: () => 'Answered a request with an error',
    customSuccessObject: answered,
    customErrorObject: (request, response, _, { responseTime }: { responseTime: number }) =>
      answered(request, response, { responseTime }),
    customLogLevel: (_, { statusCode }) => (statusCode >= 500 ? 'warn' : 'info'),
    autoLogging: { ignore: ({ originalUrl, url }) => PROBES.test(originalUrl ?? url ?? '') },
  };
}

/** The trace that a line belongs to, where traces are recorded. */
function traceOfLine(): object {
  const traceId = activeTraceId();
  return traceId === undefined ? {} : { traceId };
}

function answered(request: LoggedRequest, response: ServerResponse, value: { responseTime: number }): object {
  const { method, route, principalId, orgId, reason } = request;
  return {
    method,
    route,
    status: response.statusCode,
    durationMs: value.responseTime,
    principalId,
    orgId,
    reason,
    ...(!response.writableEnded && { aborted: true }),
  };
}

const MOST_CAUSES = 5;

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  /** Of PostgreSQL; its other fields quote rows and statements. */
  readonly constraint?: string;
  readonly routine?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** What is logged of an error; a library may hang anything on one: statements, parameters, headers, addresses. */
export function loggedError(error: unknown, depth = 0): LoggedError | string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : typeof error;
  const { cause } = error;
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    code: textOf(error, 'code'),
    constraint: textOf(error, 'constraint'),
    routine: textOf(error, 'routine'),
    ...(depth < MOST_CAUSES && {
      cause: cause === undefined ? undefined : loggedError(cause, depth + 1),
      errors:
        error instanceof AggregateError
          ? error.errors.map((each) => loggedError(each, depth + 1))
          : undefined,
    }),
  };
}

function textOf(error: Error, key: string): string | undefined {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : undefined;
}
