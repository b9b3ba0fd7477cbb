import { AppError } from '../shared/errors';

const STRUCTURED = /^"((?:[^"\\]|\\["\\])*)"$/;
const PRINTABLE = /^[\x21-\x7e]{1,255}$/;

/**
 * The key of the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), bare or as the quoted string that
 * the draft wants; `null` without one.
 */
export function parseIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  const [, quoted] = STRUCTURED.exec(header.trim()) ?? [];
  const key = quoted?.replace(/\\(["\\])/g, '$1') ?? header.trim();
  if (!PRINTABLE.test(key)) {
    throw AppError.invalidParameter(
      'Idempotency-Key',
      'must be 1 to 255 printable ASCII characters without spaces.',
    );
  }
  return key;
}
