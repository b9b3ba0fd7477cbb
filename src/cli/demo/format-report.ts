import type { Report, ReportRow } from './demo-api';

/** A table of usage, spend, error rate and percentiles per model, with the totals and how fresh they are. */
export function formatReport({ models, total, freshness }: Report, currency: string): string {
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
  const { dataThrough, lagSeconds, status, final } = freshness;
  return [
    ...align([header, ...models.map(cells), cells(total)]),
    '',
    `Data through ${dataThrough}, ${lagSeconds} s behind: ${status}, ${final ? 'final' : 'not final yet'}.`,
  ].join('\n');
}

function cells({ name, usage, reliability }: ReportRow): string[] {
  const { errorRate, p50Ms, p95Ms, p99Ms } = reliability;
  return [
    name,
    grouped(usage.requests),
    grouped(usage.inputTokens),
    grouped(usage.outputTokens),
    usage.costExact,
    errorRate === null ? '-' : `${(errorRate * 100).toFixed(2)} %`,
    ...[p50Ms, p95Ms, p99Ms].map((ms) => (ms === null ? '-' : `${grouped(Math.round(ms))} ms`)),
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
