import {
  byteSize,
  cronExpression,
  duration,
  flag,
  json,
  listOf,
  matching,
  network,
  oneOf,
  retention,
  type SettingType,
  text,
  timeout,
  timeZone,
  url,
  wholeNumber,
} from './setting-types';
import { UUID } from '../../shared/uuid';

/** One setting of the environment. */
export interface Setting<Value> {
  /** Of the environment variable. */
  readonly name: string;
  readonly type: SettingType<Value>;
  /** As it would be written in the environment; `null` when the setting may be absent. */
  readonly default: string | null;
  /** What it does and how it relates to others: the comment in `.env.example`. */
  readonly about: string;
  /** Never printed; may also be given as the path of a file in NAME_FILE. */
  readonly secret?: boolean;
}

const uuid = matching(UUID, 'a UUID');

export const SERVICE_ROLES = ['api', 'ingest', 'worker'] as const;
/** Asymmetric only: a shared secret would let every verifier make tokens (RFC 8725, 3.1 and 3.2). */
export const JWT_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const; // prettier-ignore
export const PRINCIPAL_ROLES = [
  'platform-admin',
  'org-admin',
  'org-viewer',
  'org-finance',
  'producer',
] as const;

/** An API key given by configuration. Only the SHA-256 of its secret is known. */
export interface SeededApiKey {
  readonly id: string;
  readonly sha256: string;
  /** `null` for the platform's own. */
  readonly orgId: string | null;
  readonly roles: readonly (typeof PRINCIPAL_ROLES)[number][];
}

function acceptApiKeys(parsed: unknown): readonly SeededApiKey[] | undefined {
  const acceptable = (key: Partial<SeededApiKey>) =>
    /^[A-Za-z0-9]{4,40}$/.test(key.id ?? '') &&
    /^[0-9a-f]{64}$/.test(key.sha256 ?? '') &&
    (key.orgId === null || UUID.test(key.orgId ?? '')) &&
    Array.isArray(key.roles) &&
    key.roles.length > 0 &&
    key.roles.every((role) => (PRINCIPAL_ROLES as readonly unknown[]).includes(role)) &&
    (key.orgId === null || !key.roles.includes('platform-admin'));
  if (!Array.isArray(parsed) || !parsed.every(acceptable)) return undefined;
  const keys = parsed as SeededApiKey[];
  return new Set(keys.map(({ id }) => id)).size === keys.length ? keys : undefined;
}

/** Every setting of the service, in the order of `.env.example`. */
export const SETTINGS = {
  nodeEnv: setting('NODE_ENV', oneOf(['development', 'production', 'test']), 'production', 'Outside production a key pair in DATA_DIR signs and verifies development tokens (`npm run token`) when AUTH_JWKS_URL is not set.'), // prettier-ignore
  serviceRoles: setting('SERVICE_ROLES', listOf(oneOf(SERVICE_ROLES), 'api, ingest, worker'), 'api,ingest,worker', 'What this process does: answer requests, take in the stream, refresh rollups and write exports.'), // prettier-ignore
  host: setting('HOST', text, '0.0.0.0', 'Address to listen on.'),
  port: setting('PORT', wholeNumber(1, 65_535), '3000', 'Port to listen on.'),
  logLevel: setting('LOG_LEVEL', oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info', 'Least level that is logged.'), // prettier-ignore
  dataDir: setting('DATA_DIR', text, '.data', 'Directory for what has no server of its own: embedded PostgreSQL, artifacts, development keys.'), // prettier-ignore
  shutdownGrace: setting('SHUTDOWN_GRACE', timeout, '25s', 'Within this after SIGTERM the open batch is committed or dropped and running requests are answered. Below the terminationGracePeriod of Kubernetes (30s).'), // prettier-ignore
  currency: setting('CURRENCY', matching(/^[A-Z]{3}$/, 'a currency code of ISO 4217 such as USD'), 'USD', 'The one currency of all costs.'), // prettier-ignore

  databaseUrl: setting('DATABASE_URL', url('postgres:', 'postgresql:'), null, 'PostgreSQL 15 or newer, or TimescaleDB. Not set: an embedded PostgreSQL in DATA_DIR.', { secret: true }), // prettier-ignore
  databaseOwnerUrl: setting('DATABASE_OWNER_URL', url('postgres:', 'postgresql:'), null, 'The same database as the owner of its schema, where DATABASE_URL is a user of the role usage_analytics_service. Needed by whoever migrates, and on TimescaleDB by the role worker, because only an owner can refresh, compress and drop there. Not set: DATABASE_URL is the owner.', { secret: true }), // prettier-ignore
  storageEngine: setting('STORAGE_ENGINE', oneOf(['auto', 'timescale', 'postgres']), 'auto', 'auto: TimescaleDB where the extension can be created. A schema keeps the engine it was made with.'), // prettier-ignore
  migrateOnStart: setting('MIGRATE_ON_START', flag, 'true', 'false where a job migrates; the process then waits for the schema.'), // prettier-ignore
  databaseApiPoolSize: setting('DATABASE_API_POOL_SIZE', wholeNumber(1, 200), '10', 'Connections that answer requests.'), // prettier-ignore
  databaseStatementTimeout: setting('DATABASE_STATEMENT_TIMEOUT', timeout, '10s', 'A question that takes longer is cut off.'), // prettier-ignore

  amqpUrl: setting('AMQP_URL', url('amqp:', 'amqps:'), null, 'RabbitMQ 3.10 or newer. Not set: events come over HTTP only and are answered after the commit.', { secret: true }), // prettier-ignore
  amqpStreamPort: setting('AMQP_STREAM_PORT', wholeNumber(1, 65_535), null, 'Port of the broker’s plugin rabbitmq_stream, 5552 or with TLS 5551. Set: the stream is read by its own protocol, which costs the broker far less than AMQP 0-9-1.'), // prettier-ignore
  amqpStreamMaxAge: setting('AMQP_STREAM_MAX_AGE', duration, '7d', 'The stream keeps events at least this long, whole segments at a time. How long this service may be away.'), // prettier-ignore
  amqpStreamMaxBytes: setting('AMQP_STREAM_MAX_BYTES', byteSize, '50GB', 'The stream drops its oldest segments above this. One that exists keeps its limits until a policy of the broker changes them.'), // prettier-ignore
  amqpStreamSegmentBytes: setting('AMQP_STREAM_SEGMENT_BYTES', byteSize, '500MB', 'Size of a segment file of the stream; at most AMQP_STREAM_MAX_BYTES.'), // prettier-ignore
  amqpPublishTimeout: setting('AMQP_PUBLISH_TIMEOUT', timeout, '10s', 'Wait for the confirm of the broker before a request is answered 503.'), // prettier-ignore

  ingestPartitions: setting('INGEST_PARTITIONS', wholeNumber(1, 64), '1', 'Streams that share the load; the exchange keeps an organisation on one. Changing it later moves organisations: drain the streams first.'), // prettier-ignore
  ingestBatchSize: setting(
    'INGEST_BATCH_SIZE',
    wholeNumber(1, 50_000),
    '5000',
    'Events in one transaction at most.',
  ),
  ingestBatchMaxWait: setting('INGEST_BATCH_MAX_WAIT', timeout, '200ms', 'A batch is committed at the latest this long after its first message.'), // prettier-ignore
  ingestBufferBytes: setting('INGEST_BUFFER_BYTES', byteSize, '64MB', 'Bytes of messages that are held in memory per partition at most; at least MAX_MESSAGE_BYTES.'), // prettier-ignore
  ingestLease: setting('INGEST_LEASE', timeout, '10s', 'Another replica takes a partition over when its owner has been silent for this long.'), // prettier-ignore
  maxMessageBytes: setting(
    'MAX_MESSAGE_BYTES',
    byteSize,
    '1MiB',
    'A larger message is quarantined as oversized.',
  ),
  knownOrgs: setting('KNOWN_ORGS', listOf(uuid, 'UUIDs'), null, 'Only these organisations may send events. Not set: all.', { secret: true }), // prettier-ignore
  dedupeWindow: setting('DEDUPE_WINDOW', duration, '48h', 'An event is known again by its id for at least this long after it arrived; at most RAW_RETENTION.'), // prettier-ignore
  lateHorizon: setting('LATE_HORIZON', duration, '7d', 'Events that occurred earlier are quarantined as too_late; at most RAW_RETENTION.'), // prettier-ignore

  rawRetention: setting('RAW_RETENTION', retention, '30d', 'Single events are kept this long.'),
  retention15min: setting('RETENTION_15MIN', retention, '90d', '15-minute rollups are kept this long; at least RAW_RETENTION.'), // prettier-ignore
  retentionHourly: setting('RETENTION_HOURLY', retention, '396d', 'Hourly rollups are kept this long; at least RETENTION_15MIN.'), // prettier-ignore
  retentionDaily: setting('RETENTION_DAILY', retention, '396d', 'Daily rollups are kept this long; at least RETENTION_HOURLY.'), // prettier-ignore
  compressAfter: setting('COMPRESS_AFTER', duration, '7d', 'TimescaleDB compresses events older than this. Below LATE_HORIZON late events meet compressed chunks: counted all the same, but slower.'), // prettier-ignore
  rollupRefreshInterval: setting('ROLLUP_REFRESH_INTERVAL', timeout, '30s', 'How often rollups are materialised and late windows refreshed.'), // prettier-ignore
  rollupRefreshLag: setting('ROLLUP_REFRESH_LAG', duration, '1m', 'Rollups are materialised up to this long before now; what is younger is computed when asked, and what arrives later is a late event.'), // prettier-ignore

  freshWithin: setting('FRESH_WITHIN', duration, '5m', 'Answers whose data is at most this old are fresh.'),
  delayedWithin: setting('DELAYED_WITHIN', duration, '10m', 'Answers whose data is at most this old are delayed, older ones stale; more than FRESH_WITHIN.'), // prettier-ignore
  freshnessCacheTtl: setting('FRESHNESS_CACHE_TTL', duration, '5s', 'How long the freshness of an organisation is cached.'), // prettier-ignore
  closedBucketsCacheTtl: setting('CLOSED_BUCKETS_CACHE_TTL', duration, '10m', 'How long closed buckets that were read for an answer are remembered; late events and rebuilds make them forgotten at once. 1ms reads all of them each time.'), // prettier-ignore
  redisUrl: setting('REDIS_URL', url('redis:', 'rediss:'), null, 'Cache shared by replicas. Not set: a cache in each process.', { secret: true }), // prettier-ignore
  maxPoints: setting('MAX_POINTS', wholeNumber(1, 100_000), '10000', 'Rows of one answer at most.'),
  rawWindowLimit: setting('RAW_WINDOW_LIMIT', duration, '8d', 'Longest window of a question that only single events can answer; at most RAW_RETENTION. A week and the day that it begins in.'), // prettier-ignore
  rateLimitPerMinute: setting('RATE_LIMIT_PER_MINUTE', wholeNumber(0, 10_000_000), '6000', 'Requests of one principal in a minute, by all replicas together with REDIS_URL, by each of them without; further ones are answered 429. 0: no limit.'), // prettier-ignore
  httpBodyLimit: setting('HTTP_BODY_LIMIT', byteSize, '1MiB', 'Largest body of a request.'),

  s3Bucket: setting('S3_BUCKET', matching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket'), null, 'Bucket for the files of exports. Not set: DATA_DIR/artifacts, which replicas that write and serve exports must share.'), // prettier-ignore
  s3Region: setting('S3_REGION', text, 'us-east-1', 'Region of the bucket. Credentials come from the environment of the AWS SDK: instance or pod role, AWS_ACCESS_KEY_ID and so on.'), // prettier-ignore
  s3Endpoint: setting('S3_ENDPOINT', url('https:', 'http:'), null, 'Of an S3-compatible store. Not set: Amazon S3. Downloads are redirected to it, so callers must reach it.'), // prettier-ignore
  s3ForcePathStyle: setting('S3_FORCE_PATH_STYLE', flag, 'false', 'true for stores that want the bucket in the path and not in the host name.'), // prettier-ignore
  s3Sse: setting('S3_SSE', oneOf(['AES256', 'aws:kms', 'none']), 'AES256', 'Server-side encryption that is asked for. none: the bucket decides.'), // prettier-ignore
  s3KmsKeyId: setting('S3_KMS_KEY_ID', text, null, 'Key for S3_SSE=aws:kms. Not set: the default key of the bucket.'), // prettier-ignore
  s3Checksum: setting('S3_CHECKSUM', oneOf(['when_supported', 'when_required']), 'when_supported', 'when_required for compatible stores that do not know CRC checksums.'), // prettier-ignore
  s3Timeout: setting('S3_TIMEOUT', timeout, '30s', 'A connection to the store that is silent for this long is given up.'), // prettier-ignore
  exportConcurrency: setting('EXPORT_CONCURRENCY', wholeNumber(1, 2), '1', 'Exports that one process writes at a time.'), // prettier-ignore
  exportMaxConcurrentPerOrg: setting('EXPORT_MAX_CONCURRENT_PER_ORG', wholeNumber(1, 100), '2', 'Exports of one organisation that are written at a time, in all processes.'), // prettier-ignore
  exportMaxOpenPerOrg: setting('EXPORT_MAX_OPEN_PER_ORG', wholeNumber(1, 10_000), '20', 'Exports of one organisation that may wait or be written; further requests are answered 429.'), // prettier-ignore
  exportMaxAttempts: setting('EXPORT_MAX_ATTEMPTS', wholeNumber(1, 100), '5', 'An export that failed this often is given up.'), // prettier-ignore
  exportRetryBackoff: setting('EXPORT_RETRY_BACKOFF', timeout, '10s', 'Pause after the first failed attempt; it doubles with each further one, up to 10 minutes.'), // prettier-ignore
  exportLease: setting('EXPORT_LEASE', timeout, '30s', 'Another process takes an export over when its worker has been silent for this long.'), // prettier-ignore
  exportRetention: setting('EXPORT_RETENTION', duration, '90d', 'Files are deleted this long after they were written.'), // prettier-ignore
  exportUrlTtl: setting('EXPORT_URL_TTL', duration, '5m', 'How long the URL of a download works; at most 7d with S3_BUCKET.'), // prettier-ignore
  exportSigningKey: setting('EXPORT_SIGNING_KEY', matching(/^.{32,}$/, 'at least 32 characters'), null, 'Signs the URLs of downloads where S3_BUCKET is not set. Not set: a random key, kept beside the files.', { secret: true }), // prettier-ignore
  exportProviderName: setting('EXPORT_PROVIDER_NAME', text, 'AI inference platform', 'Who provides and invoices the service, in files of the format focus.'), // prettier-ignore
  exportSchedule: setting('EXPORT_SCHEDULE', cronExpression, '0 6 8 * *', 'When the export of the month before is made for each organisation, or off. From the 8th on a month is final with LATE_HORIZON=7d.'), // prettier-ignore
  exportScheduleTimezone: setting('EXPORT_SCHEDULE_TIMEZONE', timeZone, 'UTC', 'Time zone of EXPORT_SCHEDULE and of the months.'), // prettier-ignore
  exportScheduleGranularity: setting('EXPORT_SCHEDULE_GRANULARITY', oneOf(['hourly', 'daily', 'monthly']), 'daily', 'Rows of the scheduled exports.'), // prettier-ignore
  exportScheduleFormat: setting('EXPORT_SCHEDULE_FORMAT', oneOf(['csv', 'csv.gz', 'focus']), 'csv.gz', 'Format of the scheduled exports.'), // prettier-ignore

  verifySchedule: setting('VERIFY_SCHEDULE', cronExpression, '30 3 * * *', 'When events, rollups and ledger are held against each other, or off; in UTC. `npm run verify` does it at once.'), // prettier-ignore
  verifyWindow: setting('VERIFY_WINDOW', duration, '7d', 'How far back VERIFY_SCHEDULE looks; every event of it is counted again.'), // prettier-ignore

  canaryUrl: setting('CANARY_URL', url('https:', 'http:'), null, 'Where a synthetic event is sent and asked for again, as callers reach the service; in processes with the role worker, one at a time. Not set: no canary.'), // prettier-ignore
  canaryOrg: setting(
    'CANARY_ORG',
    uuid,
    null,
    'Organisation of the synthetic events. Needed with CANARY_URL.',
  ),
  canaryApiKey: setting('CANARY_API_KEY', matching(/^ak_[A-Za-z0-9]+_[A-Za-z0-9_-]{43}$/, 'an API key'), null, 'Key of CANARY_ORG with the roles producer and org-viewer. Needed with CANARY_URL.', { secret: true }), // prettier-ignore
  canaryInterval: setting('CANARY_INTERVAL', timeout, '1m', 'How often a synthetic event is sent; it must be visible within this.'), // prettier-ignore

  otlpEndpoint: setting('OTEL_EXPORTER_OTLP_ENDPOINT', url('https:', 'http:'), null, 'OpenTelemetry collector that gets traces by OTLP over HTTP, without /v1/traces. Not set: no traces, at no cost.'), // prettier-ignore
  traceRatio: setting('OTEL_TRACES_SAMPLER_ARG', matching(/^(0(\.\d+)?|1(\.0+)?)$/, 'a number from 0 to 1'), '1', 'Part of the traces that begin here that are recorded; others follow their caller.'), // prettier-ignore

  budgetsFile: setting('BUDGETS_FILE', text, null, 'YAML file of budgets and thresholds, read again when it changes. Not set: no budgets.'), // prettier-ignore
  budgetCheckInterval: setting('BUDGET_CHECK_INTERVAL', timeout, '1m', 'How often spend is held against the thresholds.'), // prettier-ignore
  budgetWebhookSecret: setting('BUDGET_WEBHOOK_SECRET', matching(/^.{32,}$/, 'at least 32 characters'), null, 'Signs the webhooks of budgets (HMAC-SHA-256). Must be set where BUDGETS_FILE names a webhook.', { secret: true }), // prettier-ignore
  budgetWebhookNetworks: setting('BUDGET_WEBHOOK_NETWORKS', listOf(network, 'networks such as 10.1.0.0/16 or fd00::/8'), null, 'Networks of private, loopback or link-local addresses that webhooks may be sent to. Not set: none.'), // prettier-ignore
  budgetWebhookTimeout: setting('BUDGET_WEBHOOK_TIMEOUT', timeout, '10s', 'A webhook that is not answered within this is tried again.'), // prettier-ignore
  budgetWebhookAttempts: setting('BUDGET_WEBHOOK_ATTEMPTS', wholeNumber(1, 100), '12', 'A webhook that failed this often is given up; pauses double from 10 seconds up to an hour.'), // prettier-ignore

  authJwksUrl: setting('AUTH_JWKS_URL', url('https:', 'http:', 'file:'), null, 'Key set (RFC 7517) that verifies bearer tokens. In production this or API_KEYS must be set.'), // prettier-ignore
  authIssuer: setting('AUTH_ISSUER', text, 'usage-analytics', 'Required `iss` of a token.'),
  authAudience: setting('AUTH_AUDIENCE', text, 'usage-analytics', 'Required `aud` of a token.'),
  authAlgorithms: setting('AUTH_ALGORITHMS', listOf(oneOf(JWT_ALGORITHMS), 'asymmetric algorithms such as RS256, ES256, EdDSA'), 'RS256,ES256,EdDSA', 'Accepted signature algorithms; asymmetric only.'), // prettier-ignore
  authJwksMaxAge: setting('AUTH_JWKS_MAX_AGE', duration, '10m', 'A fetched key set is trusted for at most this long.'), // prettier-ignore
  apiKeys: setting('API_KEYS', json('a JSON list of {id, sha256, orgId, roles} with each id once and platform-admin only where orgId is null', acceptApiKeys), '[]', 'API keys known from the start: id, hexadecimal SHA-256 of the secret, organisation or null, roles. A caller sends ak_<id>_<secret>; the secret is 32 random bytes in base64url.', { secret: true }), // prettier-ignore
} as const;

export type SettingKey = keyof typeof SETTINGS;

type ValueOf<Key extends SettingKey> =
  (typeof SETTINGS)[Key]['type'] extends SettingType<infer Value>
    ? (typeof SETTINGS)[Key]['default'] extends null
      ? Value | null
      : Value
    : never;

/** The value of every setting. Durations in milliseconds, sizes in bytes. */
export type SettingValues = { readonly [Key in SettingKey]: ValueOf<Key> };

function setting<Value, const Default extends string | null>(
  name: string,
  type: SettingType<Value>,
  defaultText: Default,
  about: string,
  options: { secret?: boolean } = {},
) {
  return { name, type, default: defaultText, about, ...options };
}
