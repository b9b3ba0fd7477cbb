import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { exemplarRegistry, openMetrics } from './open-metrics';

describe('the metrics as OpenMetrics', () => {
  it('name counters as families, carry exemplars, and leave the older format as it was', async () => {
    const registry = new Registry();
    const registers = [registry];
    new Counter({ name: 'events_total', help: 'Events.', labelNames: ['outcome'], registers }).inc(
      { outcome: 'a "quoted"\nline' },
      2,
    );
    new Gauge({ name: 'lag_seconds', help: 'Lag.', registers }).set(Infinity);
    const duration = new Histogram({
      name: 'duration_seconds',
      help: 'Duration.',
      buckets: [1],
      enableExemplars: true,
      registers: [exemplarRegistry()],
    });
    registry.registerMetric(duration);
    const exemplarLabels: object = { trace_id: 'abc' };
    duration.observe({ labels: {}, value: 0.5, exemplarLabels });

    const before = await registry.metrics();
    const text = await openMetrics(registry);
    expect(text.replace(/ \d+\.?\d*$/gm, (number) => (Number(number) > 1e9 ? ' NOW' : number))).toBe(
      [
        '# HELP events Events.',
        '# TYPE events counter',
        'events_total{outcome="a \\"quoted\\"\\nline"} 2',
        '# HELP lag_seconds Lag.',
        '# TYPE lag_seconds gauge',
        'lag_seconds +Inf',
        '# HELP duration_seconds Duration.',
        '# TYPE duration_seconds histogram',
        'duration_seconds_bucket{le="1"} 1 # {trace_id="abc"} 0.5 NOW',
        'duration_seconds_bucket{le="+Inf"} 1',
        'duration_seconds_sum 0.5',
        'duration_seconds_count 1',
        '# EOF',
        '',
      ].join('\n'),
    );
    expect(await registry.metrics()).toBe(before);
  });
});
