const MAX_FRACTION_DIGITS = 10;
const MAX_COST = 1_000_000_000;
/** A double carries every decimal of 15 significant digits exactly (IEEE 754-2008, 5.12.2). */
const EXACT_DIGITS = 15;

/**
 * The canonical plain decimal of an amount that fits the schema: no exponent, no leading or trailing zeros. `null`
 * when it is above 1e9, has more than 10 fractional digits, or is a JSON number too long to be exact.
 */
export function canonicalCost(cost: string | number | null | undefined): string | null {
  if (cost === undefined || cost === null) return '0';
  if (typeof cost === 'number') return canonicalNumber(cost);
  return canonicalText(cost);
}

function canonicalNumber(cost: number): string | null {
  const shortest = String(cost);
  const text = shortest.includes('e') ? cost.toFixed(MAX_FRACTION_DIGITS) : shortest;
  // toFixed rounds: an amount such as 1e-11 must not become 0.
  if (Number(text) !== cost) return null;
  const canonical = canonicalText(text);
  return canonical && significantDigits(canonical) <= EXACT_DIGITS ? canonical : null;
}

function canonicalText(text: string): string | null {
  const point = text.indexOf('.');
  const whole = (point < 0 ? text : text.slice(0, point)).replace(/^0+(?=\d)/, '');
  const fraction = point < 0 ? '' : text.slice(point + 1).replace(/0+$/, '');
  if (fraction.length > MAX_FRACTION_DIGITS) return null;
  const units = Number(whole);
  if (units > MAX_COST || (units === MAX_COST && fraction !== '')) return null;
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

function significantDigits(canonical: string): number {
  return canonical.replace('.', '').replace(/^0+/, '').length;
}
