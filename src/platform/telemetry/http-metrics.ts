import { Histogram, register } from 'prom-client';
import { exemplarRegistry } from './open-metrics';

/** By pattern of the route, of which there are few; never by path. Exemplars name the trace of a request. */
export const requestDuration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of a request from its first byte to the last one of its answer.',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  enableExemplars: true,
  registers: [exemplarRegistry()],
});
register.registerMetric(requestDuration);
