import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { register } from 'prom-client';
import { parse } from 'yaml';
import { collectProcessMetrics } from '../../../src/platform/telemetry/process-metrics';
import { promtool } from '../../support/promtool';
import { RunningService } from '../../support/running-service';
import { createTestDatabase, type TestDatabase } from '../../support/test-database';
import { createTestVhost, type TestVhost } from '../../support/test-vhost';
import { ORG_A } from '../../support/usage-events';

const ROOT = join(__dirname, '..', '..', '..');
const CHART = join(ROOT, 'charts', 'usage-analytics');
const RULES = join(CHART, 'prometheus', 'rules.yaml');
const RUNBOOKS = join(ROOT, 'docs', 'runbooks');

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

const rules = (parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

/** PromQL of the dashboards that read Prometheus, of KEDA's trigger, and of the rules. */
const expressions = [...rules.map(({ expr }) => expr), ...dashboardExpressions(), ...chartExpressions()];

function dashboardExpressions(): string[] {
  const directory = join(CHART, 'dashboards-prometheus');
  return readdirSync(directory).flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  });
}

function chartExpressions(): string[] {
  const text = readFileSync(join(CHART, 'templates', 'scaledobject.yaml'), 'utf8');
  return [...text.matchAll(/^\s*query: (.+)$/gm)].map(([, query]) => query ?? '');
}

interface Named {
  readonly name: string;
  /** Those that the expression selects this metric by. */
  readonly labels: readonly string[];
}

/** The metrics that an expression names, and the labels it groups by. */
function namesIn(expr: string): { readonly metrics: Named[]; readonly grouped: string[] } {
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => (list ?? '').split(/,\s*/));
  const bare = expr.replaceAll(/\b(by|on|ignoring|without) \([^)]*\)/g, ' ').replaceAll(/\[[^\]]*\]/g, ' ');
  const named = bare.matchAll(/\b([a-z]+(?:_[a-z0-9]+)+|usage:[a-z0-9_:]+)\b(?!\()(?:\{([^}]*)\})?/g);
  const metrics = [...named]
    .filter(([text]) => !/="/.test(text.split('{')[0] ?? ''))
    .map(([, name = '', selectors = '']) => ({
      name,
      labels: [...selectors.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label]) => label ?? ''),
    }));
  return { metrics: metrics.filter(({ name }) => !grouped.includes(name)), grouped };
}

/** The labels of a metric that is registered; nothing when it is not, or not in `text`. */
function labelsOf(name: string, text: string): readonly string[] | undefined {
  const base = name.replace(/_(bucket|count|sum)$/, '');
  for (const known of [name, base]) {
    const metric = register.getSingleMetric(known) as unknown as { labelNames: string[] } | undefined;
    if (metric && text.includes(`# TYPE ${known} `)) return ['le', 'instance', ...metric.labelNames];
  }
  return undefined;
}

describe('the alert rules', () => {
  it('pass promtool check rules', async () => {
    expect(await promtool(['check', 'rules', RULES])).toMatchObject({ code: 0 });
  });

  it('pass their unit tests, each alert at least once', async () => {
    const file = join(__dirname, 'rules.test.yaml');
    const text = readFileSync(file, 'utf8');
    for (const { alert } of alerts) expect(text).toMatch(new RegExp(`alertname: ${alert}\\n +exp_alerts`));
    const { code, text: told } = await promtool(['test', 'rules', file]);
    expect([code, told]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s has a runbook and a severity',
    (alert, rule) => {
      expect(rule.labels).toMatchObject({ severity: expect.stringMatching(/^(warning|critical)$/) });
      const runbook = rule.annotations?.['runbook_url'] ?? '';
      expect(runbook).toMatch(/^docs\/runbooks\/usage-[a-z-]+\.md$/);
      expect(readFileSync(join(ROOT, runbook), 'utf8')).toContain(`# ${alert}\n`);
    },
  );

  it('are all that there are runbooks for', () => {
    const named = alerts.map(({ annotations }) => basename(annotations?.['runbook_url'] ?? ''));
    expect(readdirSync(RUNBOOKS).sort()).toEqual([...named, 'README.md'].sort());
  });
});

describe('the metrics of a service that does everything', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let service: RunningService;
  let text: string;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    vhost = await createTestVhost();
    service = await RunningService.start({ DATABASE_URL: database.url, AMQP_URL: vhost.url });
    await service.get(`/analytics/v1/orgs/${ORG_A}/usage`);
    // As main.ts does, once per process.
    collectProcessMetrics();
    text = (await service.get('/metrics')).text;
  });
  afterAll(async () => {
    await service?.stop();
    await vhost?.drop();
    await database?.drop();
  });

  it('pass promtool check metrics', async () => {
    expect(await promtool(['check', 'metrics'], text)).toEqual({ code: 0, text: '' });
  });

  it('are offered as OpenMetrics to those who accept it', async () => {
    const { headers, text: open } = await service.get('/metrics', {
      accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
    });
    expect(headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.endsWith('# EOF\n')).toBe(true);
    expect(open).toContain('# TYPE ingest_events counter\n');
    expect((await service.get('/metrics')).text).toContain('# TYPE ingest_events_total counter\n');
  });

  it('have every metric and label that rules, dashboards and scalers name', () => {
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
    const unknown: string[] = [];
    let asked = 0;
    for (const expr of expressions) {
      const { metrics, grouped } = namesIn(expr);
      const ours = metrics.filter(({ name }) => !recorded.has(name));
      asked += ours.length;
      for (const { name, labels } of ours) {
        const known = labelsOf(name, text);
        const strange = known ? labels.filter((label) => !known.includes(label)) : ['(no such metric)'];
        unknown.push(...strange.map((label) => `${name} ${label}`));
      }
      const groupable = ours.flatMap(({ name }) => labelsOf(name, text) ?? []);
      if (ours.length === metrics.length)
        unknown.push(
          ...grouped.filter((label) => !groupable.includes(label)).map((label) => `by ${label}: ${expr}`),
        );
    }
    expect(asked).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });

  it('have every metric and label that the documents name', () => {
    const name =
      /`((?:answer|audit|budget|canary|export|exports|http|ingest|rollup|verify)_\w+_(?:bytes|count|events|gaps|messages|ratio|rows|seconds|total|valid|windows))(?:\{([^}]*)\})?/g;
    const files = ['operate.md', ...readdirSync(RUNBOOKS).map((file) => join('runbooks', file))];
    const named = files.flatMap((file) => [...readFileSync(join(ROOT, 'docs', file), 'utf8').matchAll(name)]);
    const unknown = named.flatMap(([, metric = '', labels = '']) => {
      const known = labelsOf(metric, text);
      if (!known) return [metric];
      const asked = labels.split(',').map((label) => label.split('=')[0] ?? '');
      return asked
        .filter((label) => label !== '' && !known.includes(label))
        .map((label) => `${metric} ${label}`);
    });
    expect(named.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });

  it('have labels of few values only', () => {
    const labels = register
      .getMetricsAsArray()
      .flatMap((metric) => (metric as unknown as { labelNames: string[] }).labelNames);
    const bounded = ['against', 'decision', 'format', 'gctype', 'kind', 'le', 'major', 'method', 'minor', 'outcome', 'partition', 'patch', 'period', 'relation', 'route', 'space', 'status', 'type', 'version']; // prettier-ignore
    expect([...new Set(labels)].filter((label) => !bounded.includes(label))).toEqual(['org_id']);
    // Only of budgets: as many organisations as the operator's file names.
    const byOrg = register
      .getMetricsAsArray()
      .filter((metric) => labelsOf(metric.name, text)?.includes('org_id'));
    expect(byOrg.filter(({ name }) => !name.startsWith('budget_'))).toEqual([]);
  });
});
