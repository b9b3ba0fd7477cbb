import { AppError } from '../../shared/errors';

/** Objects and lists within each other at most; what reads a body may call itself for each. */
const DEEPEST = 32;
/** Names that every object has already: no rule of a DTO sees them. */
const OF_EVERY_OBJECT = new Set(['constructor', '__proto__', 'prototype']);
const UNSTORABLE = 'NUL (U+0000) or a lone surrogate';

/** Throws `invalid` for a body that is nested deeper than any request needs. */
export function assertShallow(body: unknown): void {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST + 1)
      throw new AppError('invalid', `The body must be nested at most ${DEEPEST} levels deep.`);
    level = level.flatMap((value) => (isNested(value) ? (Object.values(value) as unknown[]) : []));
  }
}

/**
 * Throws `invalid` for names that no rule would refuse, and for what PostgreSQL's text and jsonb cannot hold, in values
 * and in names: NUL and lone surrogates.
 */
export function assertPlain(body: unknown, pointer = ''): void {
  if (typeof body === 'string' && !isStorable(body))
    throw refused(pointer, `must not contain ${UNSTORABLE}.`);
  if (!isNested(body)) return;
  for (const [name, value] of Object.entries(body)) {
    if (!isStorable(name)) throw refused(pointer, `must not have a name that contains ${UNSTORABLE}.`);
    const at = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!Array.isArray(body) && OF_EVERY_OBJECT.has(name)) throw refused(at, 'is not known here.');
    assertPlain(value, at);
  }
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function refused(pointer: string, detail: string): AppError {
  return new AppError('invalid', `${pointer}: ${detail}`, { violations: [{ pointer, detail }] });
}
