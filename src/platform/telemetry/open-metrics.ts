import { type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';

export const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

type Value = MetricValue<string> & {
  readonly metricName?: string;
  readonly exemplar?: {
    readonly labelSet: Record<string, string>;
    readonly value: number;
    readonly timestamp: number;
  } | null;
};

/**
 * A registry in which a metric with exemplars can be made: prom-client allows that in no other. Register the metric
 * with the one that is scraped as well.
 */
export function exemplarRegistry(): Registry {
  const registry = new Registry();
  const typed: { setContentType(type: string): void } = registry;
  typed.setContentType(OPEN_METRICS);
  return registry;
}

/**
 * The registry in OpenMetrics 1.0, with the exemplars of histograms. prom-client renders it too, but renames the
 * registry's counters for good, so that the next scrape in the older format would have other names.
 */
export async function openMetrics(registry: Registry): Promise<string> {
  const metrics = await registry.getMetricsAsJSON();
  return `${metrics.map(familyOf).join('')}# EOF\n`;
}

function familyOf({ name, help, type, values }: MetricObjectWithValues<MetricValue<string>>): string {
  const kind = String(type);
  const family = kind === 'counter' ? name.replace(/_total$/, '') : name;
  const lines = [`# HELP ${family} ${escaped(help)}`, `# TYPE ${family} ${kind}`];
  for (const value of values as Value[]) {
    const metric = kind === 'counter' ? `${family}_total` : (value.metricName ?? name);
    lines.push(`${metric}${labelsOf(value.labels)} ${numberOf(value.value)}${exemplarOf(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

function exemplarOf({ exemplar }: Value): string {
  if (!exemplar) return '';
  return ` # ${labelsOf(exemplar.labelSet) || '{}'} ${numberOf(exemplar.value)} ${exemplar.timestamp}`;
}

function labelsOf(labels: Partial<Record<string, string | number>>): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(String(value))}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function numberOf(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
