/** What the demo shows of the answers of `/usage`, `/reliability` and `/freshness`; see the OpenAPI document. */
export interface UsageAnswer {
  readonly series: readonly UsageRow[];
  readonly freshness: { dataThrough: string; lagSeconds: number; status: string; final: boolean };
}

interface UsageRow {
  readonly modelId: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costExact: string;
}

export interface ReliabilityAnswer {
  readonly series: readonly {
    readonly modelId: string;
    readonly errorRate: number | null;
    readonly p50Ms: number | null;
    readonly p95Ms: number | null;
    readonly p99Ms: number | null;
  }[];
}

/** One answer for the whole window: its rows by model, and the row of all models together. */
export interface Report {
  readonly usage: UsageAnswer;
  readonly usageTotal: UsageAnswer;
  readonly reliability: ReliabilityAnswer;
  readonly reliabilityTotal: ReliabilityAnswer;
}

/** A table of usage, spend, error rate and percentiles per model, with the totals and how fresh they are. */
export function formatReport(report: Report, currency: string): string {
  const header = [
    'model',
    'requests',
    'input tokens',
    'output tokens',
    currency,
    'errors',
    'p50',
    'p95',
    'p99',
  ];
  const rows = report.usage.series.map((row) =>
    cells(
      row.modelId,
      row,
      report.reliability.series.find(({ modelId }) => modelId === row.modelId),
    ),
  );
  const [total] = report.usageTotal.series;
  const all = total ? cells('all models', total, report.reliabilityTotal.series[0]) : [];
  const { dataThrough, lagSeconds, status, final } = report.usage.freshness;
  return [
    ...align([header, ...rows, all]),
    '',
    `Data through ${dataThrough}, ${lagSeconds} s behind: ${status}; ${final ? 'final' : 'not final yet'}.`,
  ].join('\n');
}

function cells(
  name: string,
  usage: UsageRow,
  reliability: ReliabilityAnswer['series'][number] | undefined,
): string[] {
  return [
    name,
    grouped(usage.requests),
    grouped(usage.inputTokens),
    grouped(usage.outputTokens),
    usage.costExact,
    reliability?.errorRate == null ? '-' : `${(reliability.errorRate * 100).toFixed(2)} %`,
    ...[reliability?.p50Ms, reliability?.p95Ms, reliability?.p99Ms].map((ms) =>
      ms == null ? '-' : `${grouped(Math.round(ms))} ms`,
    ),
  ];
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** The first column to the left, all others to the right. */
function align(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}
