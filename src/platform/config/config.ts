import { readFileSync } from 'node:fs';
import type { SettingType } from './setting-types';
import { type SettingKey, SETTINGS } from './settings';

type ValueOf<Key extends SettingKey> =
  (typeof SETTINGS)[Key]['type'] extends SettingType<infer Value>
    ? (typeof SETTINGS)[Key]['default'] extends null
      ? Value | null
      : Value
    : never;

type Values = { readonly [Key in SettingKey]: ValueOf<Key> };

/** The configuration of this process: frozen, whole and consistent. Durations in milliseconds, sizes in bytes. */
// The declaration merges with the class so that every setting is a typed property of it.
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface Config extends Values {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class Config {
  constructor(values: Values) {
    Object.assign(this, values);
    Object.freeze(this);
  }
}

/** All mistakes of the environment in one message, a line each: names and what is allowed, never what was given. */
export class ConfigError extends Error {
  constructor(readonly mistakes: readonly string[]) {
    super(`The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`); // prettier-ignore
    this.name = 'ConfigError';
  }
}

/** Reads every setting. Throws `ConfigError` with all mistakes at once. Empty text counts as not set. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, { name, type, default: fallback, ...options }] of Object.entries(SETTINGS)) {
    const given = readSetting(env, name, 'secret' in options, mistakes) ?? fallback;
    const value: unknown = given === null ? null : type.parse(given);
    if (value === undefined) mistakes.push(`${name} must be ${type.allowed}.`);
    values[key] = value;
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const config = new Config(values as Values);
  mistakes.push(...contradictions(config));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return config;
}

function readSetting(
  env: NodeJS.ProcessEnv,
  name: string,
  fileAllowed: boolean,
  mistakes: string[],
): string | undefined {
  const given = env[name]?.trim() || undefined;
  const path = fileAllowed ? env[`${name}_FILE`]?.trim() : undefined;
  if (!path) return given;
  if (given !== undefined) mistakes.push(`${name} and ${name}_FILE must not both be set.`);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    mistakes.push(`${name}_FILE must be the path of a readable file.`);
    return undefined;
  }
}

/** What settings must keep to among each other. */
function contradictions(config: Config): string[] {
  const rules: readonly (readonly [kept: boolean, sentence: string])[] = [
    [config.lateHorizon <= config.rawRetention, 'LATE_HORIZON must be at most RAW_RETENTION.'],
    [config.dedupeWindow <= config.rawRetention, 'DEDUPE_WINDOW must be at most RAW_RETENTION.'],
    [config.rawWindowLimit <= config.rawRetention, 'RAW_WINDOW_LIMIT must be at most RAW_RETENTION.'],
    [config.compressAfter >= config.lateHorizon, 'COMPRESS_AFTER must be at least LATE_HORIZON.'],
    [
      config.rawRetention <= config.retention15min &&
        config.retention15min <= config.retentionHourly &&
        config.retentionHourly <= config.retentionDaily,
      'RAW_RETENTION, RETENTION_15MIN, RETENTION_HOURLY and RETENTION_DAILY must not shrink in this order: a refresh would reach behind the retention of its source and erase rollups.',
    ],
    [
      config.s3KmsKeyId === null || config.s3Sse === 'aws:kms',
      'S3_KMS_KEY_ID needs S3_SSE=aws:kms: the key would not be used.',
    ],
    [config.exportUrlTtl <= 7 * 86_400_000, 'EXPORT_URL_TTL must be at most 7d: S3 signs no longer.'],
    [config.freshWithin < config.delayedWithin, 'DELAYED_WITHIN must be more than FRESH_WITHIN.'],
    [
      config.nodeEnv !== 'production' || config.authJwksUrl !== null || config.apiKeys.length > 0,
      'AUTH_JWKS_URL or API_KEYS must be set in production: nobody could get in.',
    ],
  ];
  return rules.filter(([kept]) => !kept).map(([, sentence]) => sentence);
}
