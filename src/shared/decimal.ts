/** Decimals of a cost at most, as the schema of events and the database have it. */
export const COST_DIGITS = 10;

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

/** The exact sum of two decimals as text, without trailing zeros. Throws `RangeError` for what is no plain decimal. */
export function sumOfDecimals(left: string, right: string): string {
  const digits = Math.max(fractionOf(left).length, fractionOf(right).length);
  return decimalOfUnits(unitsOfDecimal(left, digits) + unitsOfDecimal(right, digits), digits);
}

/** A decimal as a whole number of units of 10^-digits. Throws `RangeError` for what is no plain decimal or has more digits. */
export function unitsOfDecimal(decimal: string, digits: number): bigint {
  const fraction = fractionOf(decimal);
  if (fraction.length > digits) throw new RangeError(`A decimal has more than ${digits} digits.`);
  const whole = fraction === '' ? decimal : decimal.slice(0, -fraction.length - 1);
  return BigInt(whole + fraction.padEnd(digits, '0'));
}

/** The decimal that so many units of 10^-digits are, without trailing zeros. */
export function decimalOfUnits(units: bigint, digits: number): string {
  const text = String(units < 0n ? -units : units).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const fraction = text.slice(text.length - digits).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

const PLAIN_DECIMAL = /^-?\d+(?:\.(\d+))?$/;

function fractionOf(decimal: string): string {
  const match = PLAIN_DECIMAL.exec(decimal);
  if (!match) throw new RangeError('A decimal has a form that cannot be summed.');
  return match[1] ?? '';
}
