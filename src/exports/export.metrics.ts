import { Counter, Gauge, Histogram } from 'prom-client';
import { EXPORT_FORMATS } from './file-specification';

export const exportDuration = new Histogram({
  name: 'export_duration_seconds',
  help: 'Duration of an attempt at an export, by what came of it.',
  labelNames: ['format', 'outcome'],
  buckets: [0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900],
});
// From the first scrape on, or the first failure would be seen as no increase.
for (const format of EXPORT_FORMATS) {
  for (const outcome of ['succeeded', 'retried', 'failed']) exportDuration.zero({ format, outcome });
}

export const exportRows = new Counter({
  name: 'export_rows_total',
  help: 'Rows in finished files.',
  labelNames: ['format'],
});

export const exportBytes = new Counter({
  name: 'export_bytes_total',
  help: 'Bytes of finished files, as stored.',
  labelNames: ['format'],
});

export const exportsRunning = new Gauge({
  name: 'exports_running',
  help: 'Exports that this process is writing.',
});
