/** Sums over everything in a file: counts as decimal integers, cost as a plain decimal without trailing zeros. */
export interface ControlTotals {
  readonly requests: string;
  readonly inputTokens: string;
  readonly cachedInputTokens: string;
  readonly outputTokens: string;
  readonly cost: string;
}

/** Costs have at most 10 fractional digits: see the schema of the usage event. */
const COST_DIGITS = 10;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Exact sums of what was written, taken from the cells themselves. */
export class RunningTotals {
  requests = 0n;
  inputTokens = 0n;
  cachedInputTokens = 0n;
  outputTokens = 0n;
  private cost = 0n;

  /** `cost` is a plain decimal. Throws `RangeError` for more digits than costs have: nothing is ever rounded. */
  addCost(cost: string): void {
    this.cost += unitsOf(cost);
  }

  totals(): ControlTotals {
    return {
      requests: String(this.requests),
      inputTokens: String(this.inputTokens),
      cachedInputTokens: String(this.cachedInputTokens),
      outputTokens: String(this.outputTokens),
      cost: decimalOf(this.cost),
    };
  }
}

/** Names of the totals that differ. */
export function differences(left: ControlTotals, right: ControlTotals): string[] {
  return (Object.keys(left) as (keyof ControlTotals)[]).filter((name) => left[name] !== right[name]);
}

function unitsOf(decimal: string): bigint {
  const [, sign, whole, fraction = ''] = DECIMAL.exec(decimal) ?? [];
  if (whole === undefined || fraction.length > COST_DIGITS)
    throw new RangeError('A cost has a form that cannot be summed.');
  const units = BigInt(whole + fraction.padEnd(COST_DIGITS, '0'));
  return sign === '-' ? -units : units;
}

function decimalOf(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(COST_DIGITS + 1, '0');
  const fraction = digits.slice(-COST_DIGITS).replace(/0+$/, '');
  const whole = digits.slice(0, -COST_DIGITS);
  return `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}
