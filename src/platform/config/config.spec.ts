import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig } from './config';
import { envExample } from './env-example';
import { SETTINGS } from './settings';

const KEY = { id: 'seed1', sha256: 'a'.repeat(64), orgId: null, roles: ['producer'] };

function mistakesOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig({ NODE_ENV: 'test', ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('needs nothing outside production', () => {
    const config = loadConfig({ NODE_ENV: 'development' });
    expect(config).toMatchObject({ port: 3_000, databaseUrl: null, amqpUrl: null, redisUrl: null });
    expect(config.serviceRoles).toEqual(['api', 'ingest', 'worker']);
    expect(config.lateHorizon).toBe(7 * 86_400_000);
    expect(config.httpBodyLimit).toBe(1_048_576);
  });

  it('cannot be changed', () => {
    const config = loadConfig({ NODE_ENV: 'test' });
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
  });

  it('takes empty text as not set', () => {
    expect(loadConfig({ NODE_ENV: 'test', DATABASE_URL: ' ', PORT: '' })).toMatchObject({
      databaseUrl: null,
      port: 3_000,
    });
  });

  it.each([
    ['INGEST_BATCH_MAX_WAIT', '250ms', 'ingestBatchMaxWait', 250],
    ['FRESH_WITHIN', '1m', 'freshWithin', 60_000],
    ['DEDUPE_WINDOW', '24 h', 'dedupeWindow', 86_400_000],
    ['MAX_MESSAGE_BYTES', '64kB', 'maxMessageBytes', 64_000],
    ['MAX_MESSAGE_BYTES', '64KiB', 'maxMessageBytes', 65_536],
    ['AUTH_ALGORITHMS', 'ES256, EdDSA', 'authAlgorithms', ['ES256', 'EdDSA']],
    ['MIGRATE_ON_START', 'false', 'migrateOnStart', false],
    ['DATABASE_URL', 'postgresql:///usage?host=/run/postgresql', 'databaseUrl', 'postgresql:///usage?host=/run/postgresql'],
  ])('reads %s=%s', (name, value, key, expected) => {
    expect(loadConfig({ NODE_ENV: 'test', [name]: value })).toMatchObject({ [key]: expected });
  }); // prettier-ignore

  it.each([
    ['PORT', '0'],
    ['PORT', '70000'],
    ['PORT', '3e3'],
    ['NODE_ENV', 'staging'],
    ['SERVICE_ROLES', 'api,cook'],
    ['DATABASE_URL', 'mysql://db'],
    ['REDIS_URL', 'db'],
    ['DATABASE_STATEMENT_TIMEOUT', '10'],
    ['DATABASE_STATEMENT_TIMEOUT', '0s'],
    ['SHUTDOWN_GRACE', '25d'],
    ['FRESHNESS_CACHE_TTL', '0ms'],
    ['RAW_RETENTION', '30m'],
    ['RETENTION_DAILY', '99999999999999999d'],
    ['HTTP_BODY_LIMIT', '0B'],
    ['KNOWN_ORGS', 'acme'],
    ['AUTH_ALGORITHMS', 'HS256'],
    ['AUTH_ALGORITHMS', 'none'],
    ['AUTH_JWKS_URL', 'ftp://keys'],
    ['CURRENCY', 'usd'],
    ['EXPORT_SCHEDULE', 'often'],
    ['EXPORT_SCHEDULE_TIMEZONE', 'Mars/Olympus'],
    ['API_KEYS', '{'],
    ['API_KEYS', JSON.stringify([{ ...KEY, sha256: 'secret' }])],
    ['API_KEYS', JSON.stringify([{ ...KEY, roles: [] }])],
    ['API_KEYS', JSON.stringify([{ ...KEY, roles: ['root'] }])],
    ['API_KEYS', JSON.stringify([KEY, KEY])],
    ['API_KEYS', JSON.stringify([{ ...KEY, orgId: '7f1a7d5e-0000-4000-8000-000000000001', roles: ['platform-admin'] }])],
  ])('refuses %s=%s, saying what is allowed', (name, value) => {
    const [mistake, ...others] = mistakesOf({ [name]: value });
    expect(mistake).toMatch(new RegExp(`^${name} must be .+\\.$`));
    expect(others).toEqual([]);
  }); // prettier-ignore

  it('tells all mistakes at once, and contradictions with them', () => {
    const mistakes = mistakesOf({
      PORT: 'high',
      LATE_HORIZON: '40d',
      COMPRESS_AFTER: '50d',
      LOG_LEVEL: 'loud',
    });
    expect(mistakes).toEqual([
      'PORT must be a whole number from 1 to 65535.',
      'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent.',
      expect.stringContaining('LATE_HORIZON must be at most RAW_RETENTION'),
    ]);
  });

  it('does not repeat what it was given', () => {
    const given = {
      DATABASE_URL: 'hunter2',
      API_KEYS: 'hunter2',
      PORT: 'hunter2',
      EXPORT_SIGNING_KEY: 'hunter2',
    };
    expect(mistakesOf(given)).toHaveLength(4);
    expect(mistakesOf(given).join()).not.toContain('hunter2');
  });

  it.each([
    ['LATE_HORIZON must be at most RAW_RETENTION', { LATE_HORIZON: '31d' }],
    ['DEDUPE_WINDOW must be at most RAW_RETENTION', { DEDUPE_WINDOW: '31d' }],
    ['RAW_WINDOW_LIMIT must be at most RAW_RETENTION', { RAW_WINDOW_LIMIT: '31d' }],
    ['must not shrink in this order', { RETENTION_15MIN: '29d' }],
    ['must not shrink in this order', { RETENTION_HOURLY: '89d' }],
    ['must not shrink in this order', { RETENTION_DAILY: '100d' }],
    ['DELAYED_WITHIN must be more than FRESH_WITHIN', { DELAYED_WITHIN: '5m' }],
    ['INGEST_BUFFER_BYTES must be at least MAX_MESSAGE_BYTES', { INGEST_BUFFER_BYTES: '1MB' }],
    ['AMQP_STREAM_SEGMENT_BYTES must be at most', { AMQP_STREAM_MAX_BYTES: '100MB' }],
    ['S3_KMS_KEY_ID needs S3_SSE=aws:kms', { S3_KMS_KEY_ID: 'key' }],
    ['EXPORT_URL_TTL must be at most 7d with S3_BUCKET', { EXPORT_URL_TTL: '169h', S3_BUCKET: 'exports' }],
    ['AUTH_JWKS_URL or API_KEYS must be set in production', { NODE_ENV: 'production' }],
  ])('holds settings to each other: %s', (sentence, env) => {
    expect(mistakesOf(env)).toEqual([expect.stringContaining(sentence)]);
  });

  it('lets links of the local store work for longer than those of S3', () => {
    expect(mistakesOf({ EXPORT_URL_TTL: '169h' })).toEqual([]);
    expect(mistakesOf({ EXPORT_URL_TTL: '7d', S3_BUCKET: 'exports' })).toEqual([]);
  });

  it('is production where nothing else is said, and lets API keys be the only way in', () => {
    expect(() => loadConfig({})).toThrow('AUTH_JWKS_URL or API_KEYS');
    expect(loadConfig({ API_KEYS: JSON.stringify([KEY]) })).toMatchObject({
      nodeEnv: 'production',
      apiKeys: [KEY],
    });
  });

  describe('with secrets in files', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-'));
    const file = join(directory, 'secret');
    writeFileSync(file, 'postgres://user:password@db/usage\n');
    afterAll(() => rmSync(directory, { recursive: true }));

    it('reads them', () => {
      const config = loadConfig({ NODE_ENV: 'test', DATABASE_URL_FILE: file });
      expect(config.databaseUrl).toBe('postgres://user:password@db/usage');
    });

    it('takes a secret from one place only', () => {
      expect(mistakesOf({ DATABASE_URL_FILE: file, DATABASE_URL: 'postgres://db' })).toEqual([
        'DATABASE_URL and DATABASE_URL_FILE must not both be set.',
      ]);
    });

    it('says which file it cannot read, once', () => {
      expect(mistakesOf({ NODE_ENV: 'production', API_KEYS_FILE: join(directory, 'none') })).toEqual([
        'API_KEYS_FILE must be the path of a readable file.',
      ]);
    });
  });
});

describe('.env.example', () => {
  const text = readFileSync(join(__dirname, '..', '..', '..', '.env.example'), 'utf8');

  it('is what the settings declare: node cli.mjs env-example writes it', () => {
    expect(text).toBe(envExample());
  });

  it('configures what no environment at all configures', () => {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const env = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(loadConfig({ ...env, NODE_ENV: 'test' })).toEqual(loadConfig({ NODE_ENV: 'test' }));
  });

  it('names every setting', () => {
    for (const { name } of Object.values(SETTINGS)) expect(text).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
  });
});
