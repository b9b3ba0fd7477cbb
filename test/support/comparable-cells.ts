import { unpackBins } from '../../src/aggregation/latency-bins';
import type { PeriodCells } from '../../src/aggregation/series-cells';

/** What cells say, with their bins in one form. */
export function comparable({ buckets, cells, total }: PeriodCells) {
  const bins = (packed: Parameters<typeof unpackBins>[0]) =>
    unpackBins(packed)
      .map(({ bin, requests }) => `${bin}:${requests}`)
      .join(' ');
  return {
    starts: buckets.starts,
    total: { counts: measures(total.counts), bins: bins(total.bins) },
    cells: cells.map((cell) => ({ ...cell, counts: measures(cell.counts), bins: bins(cell.bins) })),
  };
}

/** Without the labels that a statement's row has beside its counts: an answer takes them from the cell's group. */
function measures(counts: object): object {
  const labels = ['slot', 'other', 'orgId', 'modelId', 'clientId', 'status'];
  return Object.fromEntries(Object.entries(counts).filter(([name]) => !labels.includes(name)));
}
