import { HttpException } from '@nestjs/common';
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
  /** Not foreseen: to be logged as an error, with its stack. */
  readonly unexpected: boolean;
}

/** What the caller is told of a failure; nothing of its inside. */
export function toProblem(error: unknown): ProblemAnswer {
  if (error instanceof AppError) return ofAppError(error);
  if (isStatementTimeout(error)) {
    return ofAppError(
      new AppError('unanswerable', 'The answer took longer than DATABASE_STATEMENT_TIMEOUT allows: ask for a shorter window or a coarser granularity.'), // prettier-ignore
    );
  }
  if (isTransient(error)) {
    return ofAppError(
      new AppError('unavailable', 'The database cannot be reached; try again.', { retryAfterSeconds: 5 }),
    );
  }
  const status = statusOf(error);
  if (status === undefined || status >= 500) return ofUnexpected();
  return {
    problem: problem(status, titleOf(status), messageOf(error)),
    retryAfterSeconds: undefined,
    unexpected: false,
  };
}

function ofAppError(error: AppError): ProblemAnswer {
  const { status, title } = STATUS_OF[error.kind];
  const body = problem(status, title, error.message);
  return {
    problem: error.violations.length === 0 ? body : { ...body, errors: error.violations },
    retryAfterSeconds: error.retryAfterSeconds,
    unexpected: false,
  };
}

function ofUnexpected(): ProblemAnswer {
  const detail = 'Something unforeseen happened; the log has it under the request id of this answer.';
  return {
    problem: problem(500, 'Unexpected error', detail),
    retryAfterSeconds: undefined,
    unexpected: true,
  };
}

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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'The request is not valid.';
}

function problem(status: number, title: string, detail: string): Problem {
  return { type: 'about:blank', title, status, detail };
}
