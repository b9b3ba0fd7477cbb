/**
 * What went wrong, in words of the service, not of HTTP or PostgreSQL. Each kind is mapped once to an HTTP
 * status (`platform/http`) and once to the stream consumer's decision (`ingestion`).
 */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'gone'
  | 'unanswerable'
  | 'too_large'
  | 'limited'
  | 'unavailable';

/** One thing that is wrong with a request: the query parameter or the JSON pointer, and what is allowed. */
export interface Violation {
  readonly parameter?: string;
  readonly pointer?: string;
  readonly detail: string;
}

/** An expected failure. `message` is a sentence for the caller that says what to do next; it holds no secret. */
export class AppError extends Error {
  readonly violations: readonly Violation[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly kind: ErrorKind,
    message: string,
    options: { violations?: readonly Violation[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'AppError';
    this.violations = options.violations ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** A request parameter that cannot be accepted; `detail` says what is allowed. */
  static invalidParameter(parameter: string, detail: string): AppError {
    return new AppError('invalid', `${parameter}: ${detail}`, { violations: [{ parameter, detail }] });
  }
}
