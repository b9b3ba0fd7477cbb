/** With every part of the chart that is off by default. */
export const EVERYTHING = {
  image: { digest: `sha256:${'a'.repeat(64)}` },
  imagePullSecrets: [{ name: 'registry' }],
  config: {
    S3_BUCKET: 'exports',
    S3_FORCE_PATH_STYLE: true,
    INGEST_PARTITIONS: 4,
    EXPORT_CONCURRENCY: 2,
    RATE_LIMIT_PER_MINUTE: 1_000_000,
    CANARY_URL: 'https://usage.example.com',
  },
  secretEnv: { DATABASE_OWNER_URL: { name: 'usage-analytics', key: 'database-owner-url' } },
  roles: { worker: { env: { EXPORT_CONCURRENCY: 1, S3_FORCE_PATH_STYLE: false, RATE_LIMIT_PER_MINUTE: 0 } } },
  autoscaling: { api: { enabled: true }, ingest: { enabled: true } },
  ingress: { enabled: true, className: 'nginx', hosts: ['usage.example.com'], tls: [{ secretName: 'tls' }] },
  networkPolicy: {
    objectStore: { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }] },
    canary: {
      port: 8443,
      to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }],
    },
  },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  prometheusRule: { enabled: true, runbooks: 'https://example.com/runbooks/' },
  dashboards: { enabled: true, annotations: { folder: 'Usage' } },
  budgets: {
    version: 1,
    budgets: [
      {
        org: 'a0000000-0000-4000-8000-00000000000a',
        period: 'month',
        amount: '1250.00',
        thresholds: [50, 100],
      },
    ],
  },
  podAnnotations: { team: 'platform' },
  podLabels: { team: 'platform' },
  nodeSelector: { pool: 'services' },
  tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
  priorityClassName: 'high',
};
/** Without every part that is on by default and can be spared. */
const LEAST = {
  roles: { ingest: { enabled: false }, worker: { enabled: false } },
  migration: { enabled: false },
  networkPolicy: { enabled: false },
  serviceAccount: { create: false },
};
/** Values that an operator may give, by what they are called. */
export const VARIANTS = [
  ['the defaults', {}],
  ['everything', EVERYTHING],
  ['the least', LEAST],
] as const;
