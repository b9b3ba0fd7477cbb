import { AppError } from '../shared/errors';

/** A part of the body that cannot be accepted, by its JSON pointer (RFC 6901); `detail` says what is allowed. */
export function invalidField(pointer: string, detail: string): AppError {
  return new AppError('invalid', `${pointer}: ${detail}`, { violations: [{ pointer, detail }] });
}
