/** What is counted of events; cost in units of 1e-10 of the currency. */
export interface Amounts {
  requests: bigint;
  inputTokens: bigint;
  outputTokens: bigint;
  cost: bigint;
}

/** Amounts by organisation, model and start of the bucket. */
export class AmountTable {
  private readonly cells = new Map<string, Amounts>();

  add(orgId: string, modelId: string, bucket: Date, amounts: Amounts): void {
    const key = `${orgId} ${modelId} ${bucket.toISOString()}`;
    const cell = this.cells.get(key) ?? { requests: 0n, inputTokens: 0n, outputTokens: 0n, cost: 0n };
    cell.requests += amounts.requests;
    cell.inputTokens += amounts.inputTokens;
    cell.outputTokens += amounts.outputTokens;
    cell.cost += amounts.cost;
    this.cells.set(key, cell);
  }

  get requests(): bigint {
    return [...this.cells.values()].reduce((sum, { requests }) => sum + requests, 0n);
  }

  /** The same amounts by longer buckets. */
  by(bucketMs: number): AmountTable {
    const coarser = new AmountTable();
    for (const [key, amounts] of this.cells) {
      const [orgId = '', modelId = '', start = ''] = key.split(' ');
      const bucket = new Date(Math.floor(Date.parse(start) / bucketMs) * bucketMs);
      coarser.add(orgId, modelId, bucket, amounts);
    }
    return coarser;
  }

  /** Where this table differs from another, in words; a cell without a request is like none. */
  differencesFrom(expected: AmountTable): string[] {
    const differences: string[] = [];
    for (const key of new Set([...this.cells.keys(), ...expected.cells.keys()])) {
      const [mine, theirs] = [textOf(this.cells.get(key)), textOf(expected.cells.get(key))];
      if (mine !== theirs) differences.push(`${key}: ${mine} instead of ${theirs}`);
    }
    return differences;
  }

  /** Organisations with their sums. */
  byOrg(): Map<string, Amounts> {
    const sums = new Map<string, Amounts>();
    for (const [key, amounts] of this.cells) {
      const orgId = key.slice(0, key.indexOf(' '));
      const sum = sums.get(orgId) ?? { requests: 0n, inputTokens: 0n, outputTokens: 0n, cost: 0n };
      sum.requests += amounts.requests;
      sum.inputTokens += amounts.inputTokens;
      sums.set(orgId, sum);
    }
    return sums;
  }
}

function textOf(amounts: Amounts | undefined): string {
  if (!amounts || amounts.requests === 0n) return 'nothing';
  const { requests, inputTokens, outputTokens, cost } = amounts;
  return `${requests} requests, ${inputTokens} + ${outputTokens} tokens, ${cost}e-10`;
}

/** A decimal with at most ten fractional digits as units of 1e-10. Throws when it is anything else. */
export function costUnits(decimal: string): bigint {
  const [, whole = '', fraction = ''] = /^(\d+)(?:\.(\d{1,10}))?$/.exec(decimal) ?? [];
  if (whole === '')
    throw new Error(`${decimal} is not an amount of money with at most ten fractional digits.`);
  return BigInt(whole) * 10_000_000_000n + BigInt(fraction.padEnd(10, '0'));
}
