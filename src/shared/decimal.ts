/**
 * A whole number that PostgreSQL sent as text, as JSON can hold it exactly: a number up to 2^53 - 1, above that the
 * text itself.
 */
export function exactInteger(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

/** `part / whole` rounded to 6 decimals, of decimals as text; `null` where `whole` is zero. */
export function ratioOf(part: string, whole: string): number | null {
  const divisor = Number(whole);
  return divisor === 0 ? null : rounded(Number(part) / divisor, 6);
}

/** How much `current` differs from `previous`, as a share of it: 0.25 for a quarter more. `null` where it was zero. */
export function changeSince(previous: string, current: string): number | null {
  const before = Number(previous);
  return before === 0 ? null : rounded(Number(current) / before - 1, 6);
}

/** Half away from zero at the given decimal, for numbers that are shown and not added up. */
export function rounded(value: number, decimals: number): number {
  const scale = 10 ** decimals;
  return Math.round(value * scale) / scale;
}
