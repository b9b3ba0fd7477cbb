import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AccessModule } from '../../src/access/access.module';
import { AggregationModule } from '../../src/aggregation/aggregation.module';
import { ArtifactStore } from '../../src/exports/artifacts/artifact-store';
import { ExportWorker } from '../../src/exports/export-worker';
import { ExportJobs } from '../../src/exports/export-jobs.repository';
import { ExportsModule } from '../../src/exports/exports.module';
import type { Manifest } from '../../src/exports/writing/manifest';
import { FreshnessModule } from '../../src/freshness/freshness.module';
import { loadConfig } from '../../src/platform/config/config';
import { DatabaseSchema } from '../../src/platform/database/database-schema';
import { configureHttp, httpAdapter } from '../../src/platform/http/http-server';
import { PlatformModule } from '../../src/platform/platform.module';
import { Clock } from '../../src/shared/clock';
import { Contract } from './contract';
import type { TestDatabase } from './test-database';

export interface ExportRequestBody {
  readonly window: { readonly start: string; readonly end: string };
  readonly granularity: string;
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  // Answers are asserted field by field.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface ExportedFile {
  readonly manifest: Manifest;
  readonly bytes: Buffer;
  /** Decompressed. */
  readonly text: string;
}

/** What asks for, writes and serves exports, on a test database, at a moment that stands still. */
export interface Exporting {
  /** Sends a request, as a platform administrator unless `key` names another of the keys. */
  send(method: 'GET' | 'POST' | 'DELETE', path: string, options?: SendOptions): Promise<Answer>;
  readonly worker: ExportWorker;
  readonly jobs: ExportJobs;
  readonly commands: CommandBus;
  /** Asks for a file, has it written by this process and reads it through its link. */
  export(orgId: string, body: ExportRequestBody): Promise<ExportedFile>;
  /** Has the job written by this process; fails when it does not succeed. */
  write(orgId: string, jobId: string): Promise<void>;
  /** Reads the file of a finished job through its link. */
  readFile(orgId: string, jobId: string): Promise<ExportedFile>;
  now: Date;
  close(): Promise<void>;
}

interface SendOptions {
  readonly key?: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

interface Settings {
  readonly now?: Date;
  readonly env?: NodeJS.ProcessEnv;
  readonly store?: ArtifactStore;
  /** Organisations by the name of the key that is theirs, with the role org-finance. */
  readonly keys?: Readonly<Record<string, string>>;
}

const ADMIN = 'admin';
const secretOf = (key: string): string => `secret-of-${key}-`.padEnd(43, 'x');

export async function startExporting(database: TestDatabase, settings: Settings = {}): Promise<Exporting> {
  const directory = await mkdtemp(join(tmpdir(), 'exporting-'));
  const keys = { ...settings.keys };
  const seeded = [ADMIN, ...Object.keys(keys)].map((id) => ({
    id: `${id}key`,
    sha256: createHash('sha256').update(secretOf(id)).digest('hex'),
    orgId: keys[id] ?? null,
    roles: [id === ADMIN ? 'platform-admin' : 'org-finance'],
  }));
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    DATA_DIR: directory,
    // Without the role worker nothing is claimed by itself: tests do it step by step.
    SERVICE_ROLES: 'api',
    LOG_LEVEL: 'silent',
    FRESHNESS_CACHE_TTL: '1ms',
    EXPORT_MAX_OPEN_PER_ORG: '1000',
    API_KEYS: JSON.stringify(seeded),
    ...settings.env,
  });
  const clock = { now: settings.now ?? new Date() };
  const building = Test.createTestingModule({
    imports: [
      PlatformModule.of(config),
      CqrsModule.forRoot(),
      AccessModule,
      AggregationModule,
      FreshnessModule,
      ExportsModule.of(config),
    ],
  });
  if (settings.now) building.overrideProvider(Clock).useValue({ now: () => clock.now });
  if (settings.store) building.overrideProvider(ArtifactStore).useValue(settings.store);
  const testing = await building.compile();
  const app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), { logger: false });
  await configureHttp(app);
  await app.init();
  await app.get(DatabaseSchema).ready();
  const worker = app.get(ExportWorker);
  const contract = Contract.of(app);

  async function send(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options: SendOptions = {},
  ): Promise<Answer> {
    const { key = ADMIN, body, headers } = options;
    const url = path.startsWith('/analytics') ? path : `/analytics/v1${path}`;
    const answer = await app.inject({
      method,
      url,
      headers: { 'x-api-key': `ak_${key}key_${secretOf(key)}`, ...headers },
      ...(body && { payload: body }),
    });
    contract.checkInjected(method, url, answer);
    const isJson = String(answer.headers['content-type']).includes('json');
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: isJson ? (JSON.parse(answer.body) as unknown) : answer.rawPayload,
    };
  }

  async function readFile(orgId: string, jobId: string): Promise<ExportedFile> {
    const manifest = await send('GET', `/orgs/${orgId}/exports/${jobId}/manifest`);
    if (manifest.status !== 200) throw new Error(`There is no manifest: ${JSON.stringify(manifest.body)}`);
    const { status, headers } = await send('GET', `/orgs/${orgId}/exports/${jobId}/download`);
    if (status !== 302) throw new Error(`The download answers ${status}`);
    const url = String(headers['location']);
    const bytes = url.startsWith('/')
      ? (await app.inject({ method: 'GET', url })).rawPayload
      : Buffer.from(await (await fetch(url)).arrayBuffer());
    const compressed = (manifest.body as Manifest).file.format === 'csv.gz';
    return {
      manifest: manifest.body as Manifest,
      bytes,
      text: (compressed ? gunzipSync(bytes) : bytes).toString(),
    };
  }

  async function write(orgId: string, jobId: string): Promise<void> {
    await worker.work(jobId);
    const { body } = await send('GET', `/orgs/${orgId}/exports/${jobId}`);
    if (body.state !== 'succeeded') throw new Error(`The export is ${body.state}: ${body.failure}`);
  }

  return {
    send,
    write,
    worker,
    jobs: app.get(ExportJobs),
    commands: app.get(CommandBus),
    async export(orgId, body) {
      const { status, body: job } = await send('POST', `/orgs/${orgId}/exports`, { body });
      if (status !== 202) throw new Error(`The request was answered ${status}: ${JSON.stringify(job)}`);
      await write(orgId, job.jobId as string);
      return readFile(orgId, job.jobId as string);
    },
    readFile,
    get now() {
      return clock.now;
    },
    set now(instant: Date) {
      clock.now = instant;
    },
    async close() {
      await app.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
