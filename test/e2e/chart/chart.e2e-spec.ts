import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { BudgetsFile } from '../../../src/budgets/budgets-file';
import { loadConfig } from '../../../src/platform/config/config';
import { SETTINGS } from '../../../src/platform/config/settings';
import { CHART, type Manifest, rendered, type Values } from '../../support/chart';
import { EVERYTHING, VARIANTS } from '../../support/chart-variants';
import { dataSources } from '../../support/grafana-files';
import { objectionsTo } from '../../support/kubernetes-schemas';

type Container = Record<string, unknown> & {
  readonly env?: readonly { name: string; value?: string; valueFrom?: unknown }[];
};

const SECRETS = Object.values(SETTINGS).filter((setting) => 'secret' in setting);

function podOf({
  kind,
  spec,
}: Manifest): { labels: Record<string, string>; spec: Record<string, unknown> } | undefined {
  const own = spec as {
    template?: { metadata: { labels: Record<string, string> }; spec: Record<string, unknown> };
  };
  if (kind === 'Pod') return { labels: {}, spec: spec as Record<string, unknown> };
  return own?.template && { labels: own.template.metadata.labels, spec: own.template.spec };
}

describe.each(VARIANTS)('the chart with %s', (_, values) => {
  let manifests: Manifest[];

  beforeAll(async () => ({ manifests } = await rendered(values)));

  it('is what Kubernetes takes, with no field that it does not know', () => {
    expect(manifests.flatMap(objectionsTo)).toEqual([]);
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of manifests)
      expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  });

  it('runs every container without privileges, with each name once in its environment', () => {
    const pods = manifests.map((manifest) => podOf(manifest)?.spec).filter((pod) => pod !== undefined);
    expect(pods.length).toBeGreaterThan(1);
    for (const pod of pods) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of pod['containers'] as Container[]) {
        expect(container).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { requests: expect.anything(), limits: { memory: expect.anything() } },
        });
        const environment = (container.env ?? []).map(({ name }) => name);
        expect(new Set(environment).size).toBe(environment.length);
        for (const { name, value } of container.env ?? []) {
          if (SECRETS.some((secret) => secret.name === name)) expect(value).toBeUndefined();
          else expect(typeof value).toBe('string');
        }
      }
    }
  });

  it('makes no secret, and selects only pods that it makes', () => {
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const pods = manifests.map((manifest) => podOf(manifest)?.labels).filter((pod) => pod !== undefined);
    const selecting = manifests.flatMap(({ kind, spec }) => {
      const { selector, podSelector } = (spec ?? {}) as Record<string, Values | undefined>;
      if (kind === 'Service') return [selector];
      if (kind === 'PodDisruptionBudget' || kind === 'Deployment') return [selector?.['matchLabels']];
      return kind === 'NetworkPolicy' ? [podSelector?.['matchLabels']] : [];
    });
    expect(selecting.length).toBeGreaterThan(2);
    for (const labels of selecting) {
      expect(
        pods.some((pod) => Object.entries(labels ?? {}).every(([key, value]) => pod[key] === value)),
      ).toBe(true);
    }
  });
});

describe('the chart', () => {
  let manifests: Manifest[];
  const one = (kind: string, end: string): Manifest => {
    const [found, ...others] = manifests.filter(
      (each) => each.kind === kind && each.metadata.name.endsWith(end),
    );
    if (!found || others.length > 0)
      throw new Error(`${others.length + (found ? 1 : 0)} times ${kind} …${end}`);
    return found;
  };
  const environmentOf = (manifest: Manifest): Record<string, string | undefined> => {
    const [container] = podOf(manifest)?.spec['containers'] as Container[];
    return Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  };

  beforeAll(async () => ({ manifests } = await rendered(EVERYTHING)));

  it('has a deployment for each role, with settings of the role before those of all', () => {
    for (const role of ['api', 'ingest', 'worker']) {
      const environment = environmentOf(one('Deployment', `-${role}`));
      expect(environment).toMatchObject({
        SERVICE_ROLES: role,
        NODE_ENV: 'production',
        MIGRATE_ON_START: 'false',
        EXPORT_CONCURRENCY: role === 'worker' ? '1' : '2',
        S3_FORCE_PATH_STYLE: role === 'worker' ? 'false' : 'true',
        RATE_LIMIT_PER_MINUTE: role === 'worker' ? '0' : '1000000',
        INGEST_PARTITIONS: '4',
      });
    }
  });

  it('tells the owner of the schema to who migrates and to workers', () => {
    const told = manifests.filter((manifest) => podOf(manifest) && JSON.stringify(manifest).includes('DATABASE_OWNER_URL')); // prettier-ignore
    expect(told.map(({ metadata }) => metadata.name.replace(/^.*-/, '')).sort()).toEqual([
      'migration',
      'worker',
    ]);
  });

  it('migrates before anything else, with nothing that the chart makes itself', () => {
    const job = one('Job', '-migration');
    expect(job.metadata.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade' });
    const own = manifests.map(({ metadata }) => metadata.name).filter((name) => name !== job.metadata.name);
    const text = JSON.stringify(podOf(job)?.spec);
    expect(own.filter((name) => text.includes(`"${name}"`))).toEqual([]);
    expect(text).not.toContain('serviceAccountName');
    expect(JSON.stringify(podOf(job)?.spec['containers'])).toContain('dist/cli/migrate.js');
  });

  it('leaves the number of replicas to what scales them', () => {
    expect(one('Deployment', '-api').spec).not.toHaveProperty('replicas');
    expect(one('Deployment', '-ingest').spec).not.toHaveProperty('replicas');
    expect(one('Deployment', '-worker').spec).toHaveProperty('replicas', 2);
    expect(one('ScaledObject', '-ingest').spec).toMatchObject({
      fallback: { replicas: 4 },
      triggers: [
        { type: 'prometheus', metadata: { query: 'sum(ingest_backlog_messages)', threshold: '100000' } },
      ],
    });
  });

  it('lets traffic out only to what was named', () => {
    const { egress } = one('NetworkPolicy', 'usage-analytics').spec as {
      egress: { to: unknown[]; ports: { port: number }[] }[];
    };
    expect(egress.map(({ ports }) => ports.map(({ port }) => port))).toEqual([[53, 53], [5432], [5672], [6379], [443], [8443], [3000]]); // prettier-ignore
    for (const { to } of egress) expect(to.length).toBeGreaterThan(0);
  });

  it('ships rules and dashboards as the files are', () => {
    const rules = readFileSync(join(CHART, 'prometheus', 'rules.yaml'), 'utf8');
    const moved = rules.replaceAll(
      'runbook_url: docs/runbooks/',
      'runbook_url: https://example.com/runbooks/',
    );
    expect(one('PrometheusRule', '').spec).toEqual(parse(moved));
    for (const directory of ['dashboards', 'dashboards-prometheus']) {
      for (const file of readdirSync(join(CHART, directory))) {
        const { data } = one('ConfigMap', `-${file.replace('.json', '')}`);
        expect(JSON.parse(data?.[file] ?? '')).toEqual(
          JSON.parse(readFileSync(join(CHART, directory, file), 'utf8')),
        );
      }
    }
  });

  it('mounts budgets that the service understands where it looks for them', () => {
    const { data } = one('ConfigMap', '-budgets');
    const directory = mkdtempSync(join(tmpdir(), 'chart-'));
    const budgetsFile = join(directory, 'budgets.yaml');
    writeFileSync(budgetsFile, data?.['budgets.yaml'] ?? '');
    const config = loadConfig({ NODE_ENV: 'development', BUDGETS_FILE: budgetsFile });
    expect(BudgetsFile.open(config).all()).toMatchObject([{ period: 'month' }]);
    rmSync(directory, { recursive: true });
    for (const role of ['api', 'ingest', 'worker']) {
      const deployment = one('Deployment', `-${role}`);
      const [container] = podOf(deployment)?.spec['containers'] as Container[];
      const { mountPath } = (container?.['volumeMounts'] as { name: string; mountPath: string }[]).find(({ name }) => name === 'budgets') ?? {}; // prettier-ignore
      expect(environmentOf(deployment)['BUDGETS_FILE']).toBe(`${mountPath}/budgets.yaml`);
    }
  });

  it('would be told of a field that Kubernetes does not know, and of a wrong type', () => {
    const deployment = one('Deployment', '-api');
    const misspelt = JSON.parse(
      JSON.stringify(deployment).replace('"enableServiceLinks"', '"enableServiceLink"'),
    );
    expect(objectionsTo(misspelt as Manifest)).toEqual([
      expect.stringContaining('/enableServiceLink is unknown'),
    ]);
    const typed = { ...deployment, spec: { ...deployment.spec, minReadySeconds: 'five' } };
    expect(objectionsTo(typed)).toEqual([expect.stringContaining('minReadySeconds')]);
  });

  it('pins the image by its digest', () => {
    const [container] = podOf(one('Deployment', '-api'))?.spec['containers'] as Container[];
    expect(container?.['image']).toBe(`usage-analytics@sha256:${'a'.repeat(64)}`);
  });

  it('tells what is missing', async () => {
    const { notes } = await rendered({});
    expect(notes).toContain('S3_BUCKET is not set');
    expect(notes).toContain('config.CANARY_URL=http://demo-usage-analytics:80');
    expect(notes).toContain('helm test demo');
  });

  it('tells of a canary that does not get out, and of no other', async () => {
    const noted = async (CANARY_URL: string, networkPolicy = {}) =>
      (await rendered({ config: { CANARY_URL }, networkPolicy })).notes.includes(
        'networkPolicy.canary.to is empty',
      );
    const outside = 'https://usage.example.com';
    const { notes } = await rendered({ ingress: EVERYTHING.ingress });
    expect(notes).toContain(`config.CANARY_URL=${outside}`);
    expect(await noted(outside)).toBe(true);
    expect(await noted(outside, EVERYTHING.networkPolicy)).toBe(false);
    expect(await noted(outside, { enabled: false })).toBe(false);
    expect(await noted('http://demo-usage-analytics:80')).toBe(false);
  });

  it('lets the health checks of the data sources in by its ingress', () => {
    const { rules } = one('Ingress', '').spec as { rules: { http: { paths: { path: string }[] } }[] };
    const paths = rules.flatMap(({ http }) => http.paths.map(({ path }) => path));
    expect(dataSources).toHaveLength(2);
    for (const { jsonData } of dataSources) expect(paths).toContain(jsonData.customHealthCheckUrl);
  });
});
