import { HttpException, NotFoundException } from '@nestjs/common';
import { isStatementTimeout, isTransient } from '../database/postgres-errors';
import { AppError, type ErrorKind, type Violation } from '../../shared/errors';

/** The one place where kinds of failures become HTTP statuses. */
export const STATUS_OF: Readonly<Record<ErrorKind, { status: number; title: string }>> = {
  invalid: { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'Not authenticated' },
  forbidden: { status: 403, title: 'Not permitted' },
  not_found: { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'In conflict with what is there' },
  gone: { status: 410, title: 'No longer there' },
  too_large: { status: 413, title: 'Too large' },
  unanswerable: { status: 422, title: 'Cannot be answered' },
  limited: { status: 429, title: 'Too many requests' },
  unavailable: { status: 503, title: 'Not available now' },
};

/** A problem as of RFC 9457. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly Violation[];
}

export interface ProblemAnswer {
  readonly problem: Problem;
  readonly retryAfterSeconds: number | undefined;
  /** What to log and how: an error that nobody foresaw, with its stack, or a warning of something that is away. */
  readonly log?: 'error' | 'warn';
}

/** What the caller is told of a failure; nothing of its inside. `bodyLimit` is that of the route, in bytes. */
export function toProblem(error: unknown, bodyLimit?: number): ProblemAnswer {
  if (error instanceof AppError) {
    return {
      ...ofAppError(error),
      ...(error.cause !== undefined && error.kind === 'unavailable' && { log: 'warn' }),
    };
  }
  if (isStatementTimeout(error)) {
    return ofAppError(
      new AppError('unanswerable', 'The answer took longer than DATABASE_STATEMENT_TIMEOUT allows: ask for a shorter window or a coarser granularity.'), // prettier-ignore
    );
  }
  if (isTransient(error)) {
    const away = new AppError('unavailable', 'The database cannot be reached; try again.', {
      retryAfterSeconds: 5,
    });
    return { ...ofAppError(away), log: 'warn' };
  }
  const status = statusOf(error);
  if (status === undefined || status >= 500) return UNEXPECTED;
  return {
    problem: problem(status, titleOf(status), detailOf(error, status, bodyLimit)),
    retryAfterSeconds: undefined,
  };
}

function ofAppError(error: AppError): ProblemAnswer {
  const { status, title } = STATUS_OF[error.kind];
  const body = problem(status, title, error.message);
  return {
    problem: error.violations.length === 0 ? body : { ...body, errors: error.violations },
    retryAfterSeconds: error.retryAfterSeconds,
  };
}

const UNEXPECTED: ProblemAnswer = {
  problem: problem(
    500,
    'Unexpected error',
    'Something unforeseen happened; the log has it under the x-request-id of this answer.',
  ),
  retryAfterSeconds: undefined,
  log: 'error',
};

/** Nest's own exceptions, and Fastify's errors of body parsing, carry a status. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : undefined;
  return typeof status === 'number' ? status : undefined;
}

function titleOf(status: number): string {
  const known = Object.values(STATUS_OF).find((each) => each.status === status);
  return known?.title ?? (status === 415 ? 'Media type not supported' : 'The request is not valid');
}

function detailOf(error: unknown, status: number, bodyLimit: number | undefined): string {
  // A path is whatever the caller made up: it is not repeated.
  if (error instanceof NotFoundException)
    return 'There is no such route; /openapi.json lists those that are.';
  // These two come from reading the body only; Nest keeps nothing of them but the status.
  if (status === 413) return `The body must have at most ${bodyLimit} bytes (HTTP_BODY_LIMIT).`;
  if (status === 415) {
    return 'Send application/json, application/cloudevents+json or application/cloudevents-batch+json.';
  }
  return error instanceof Error ? error.message : 'The request is not valid.';
}

function problem(status: number, title: string, detail: string): Problem {
  return { type: 'about:blank', title, status, detail };
}
