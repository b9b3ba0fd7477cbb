import { DAY_MS } from '../../shared/time-zone';
import type { SettingKey, SettingValues } from './settings';

/** What settings must keep to among each other, and what to tell whoever set them otherwise. */
interface Rule {
  readonly sentence: string;
  readonly of: readonly SettingKey[];
  readonly kept: (settings: SettingValues) => boolean;
}

const RULES: readonly Rule[] = [
  {
    sentence:
      'LATE_HORIZON must be at most RAW_RETENTION: events without raw data around them would shrink rollups.',
    of: ['lateHorizon', 'rawRetention'],
    kept: ({ lateHorizon, rawRetention }) => lateHorizon <= rawRetention,
  },
  {
    sentence: 'DEDUPE_WINDOW must be at most RAW_RETENTION.',
    of: ['dedupeWindow', 'rawRetention'],
    kept: ({ dedupeWindow, rawRetention }) => dedupeWindow <= rawRetention,
  },
  {
    sentence: 'RAW_WINDOW_LIMIT must be at most RAW_RETENTION.',
    of: ['rawWindowLimit', 'rawRetention'],
    kept: ({ rawWindowLimit, rawRetention }) => rawWindowLimit <= rawRetention,
  },
  {
    sentence:
      'RAW_RETENTION, RETENTION_15MIN, RETENTION_HOURLY and RETENTION_DAILY must not shrink in this order: a refresh would reach behind the retention of its source and erase rollups.',
    of: ['rawRetention', 'retention15min', 'retentionHourly', 'retentionDaily'],
    kept: ({ rawRetention, retention15min, retentionHourly, retentionDaily }) =>
      rawRetention <= retention15min &&
      retention15min <= retentionHourly &&
      retentionHourly <= retentionDaily,
  },
  {
    sentence: 'DELAYED_WITHIN must be more than FRESH_WITHIN.',
    of: ['freshWithin', 'delayedWithin'],
    kept: ({ freshWithin, delayedWithin }) => freshWithin < delayedWithin,
  },
  {
    sentence: 'INGEST_BUFFER_BYTES must be at least MAX_MESSAGE_BYTES: the largest message would not fit.',
    of: ['ingestBufferBytes', 'maxMessageBytes'],
    kept: ({ ingestBufferBytes, maxMessageBytes }) => ingestBufferBytes >= maxMessageBytes,
  },
  {
    sentence: 'AMQP_STREAM_SEGMENT_BYTES must be at most AMQP_STREAM_MAX_BYTES.',
    of: ['amqpStreamSegmentBytes', 'amqpStreamMaxBytes'],
    kept: ({ amqpStreamSegmentBytes, amqpStreamMaxBytes }) => amqpStreamSegmentBytes <= amqpStreamMaxBytes,
  },
  {
    sentence: 'S3_KMS_KEY_ID needs S3_SSE=aws:kms: the key would not be used.',
    of: ['s3KmsKeyId', 's3Sse'],
    kept: ({ s3KmsKeyId, s3Sse }) => s3KmsKeyId === null || s3Sse === 'aws:kms',
  },
  {
    sentence:
      'EXPORT_URL_TTL must be at most 7d with S3_BUCKET: S3 takes no URL that was signed for longer, and no download would work.',
    of: ['exportUrlTtl', 's3Bucket'],
    kept: ({ exportUrlTtl, s3Bucket }) => s3Bucket === null || exportUrlTtl <= 7 * DAY_MS,
  },
  {
    sentence: 'DATABASE_OWNER_URL needs DATABASE_URL: the embedded database has one user.',
    of: ['databaseOwnerUrl', 'databaseUrl'],
    kept: ({ databaseOwnerUrl, databaseUrl }) => databaseOwnerUrl === null || databaseUrl !== null,
  },
  {
    sentence: 'CANARY_URL needs CANARY_ORG and CANARY_API_KEY.',
    of: ['canaryUrl', 'canaryOrg', 'canaryApiKey'],
    kept: ({ canaryUrl, canaryOrg, canaryApiKey }) =>
      canaryUrl === null || (canaryOrg !== null && canaryApiKey !== null),
  },
  {
    sentence: 'AUTH_JWKS_URL or API_KEYS must be set in production: nobody could get in.',
    of: ['nodeEnv', 'authJwksUrl', 'apiKeys'],
    kept: ({ nodeEnv, authJwksUrl, apiKeys }) =>
      nodeEnv !== 'production' || authJwksUrl !== null || apiKeys.length > 0,
  },
];

/** The sentences of all rules that are not kept. A rule about a setting that could not be read is not asked. */
export function contradictions(values: Readonly<Record<string, unknown>>): string[] {
  const broken = RULES.filter(
    ({ of, kept }) =>
      of.every((key) => values[key] !== undefined) && !kept(values as unknown as SettingValues),
  );
  return broken.map(({ sentence }) => sentence);
}
