import { collectDefaultMetrics, register } from 'prom-client';

/** Gauges whose names end as only a counter's may; the same numbers are there by type of resource. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Registers what Node.js and the system tell of the process: memory, CPU, event loop, garbage collection. Once per process. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics();
  for (const name of MISNAMED) register.removeSingleMetric(name);
}
