import { createHash } from 'node:crypto';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ExpireDataCommand } from '../../src/aggregation/commands/expire-data.command';
import { RefreshRollupsCommand } from '../../src/aggregation/commands/refresh-rollups.command';
import { AppModule } from '../../src/app.module';
import { loadConfig } from '../../src/platform/config/config';
import { DatabaseSchema } from '../../src/platform/database/database-schema';
import { configureHttp, httpAdapter } from '../../src/platform/http/http-server';
import { Clock } from '../../src/shared/clock';
import { Contract } from './contract';
import type { TestDatabase } from './test-database';

const SECRET = 'a'.repeat(43);
const SHA256 = createHash('sha256').update(SECRET).digest('hex');

export interface TrialAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  // Answers are asserted field by field.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** The whole service on a test database, at a moment that stands still until it is moved; nothing runs by the clock. */
export interface TrialService {
  /** Sends a request below /analytics/v1 as a platform administrator, or with the key of another principal. */
  send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, key?: string): Promise<TrialAnswer>;
  readonly app: NestFastifyApplication;
  readonly commands: CommandBus;
  readonly queries: QueryBus;
  now: Date;
  /** What the scheduler does every 30 s. */
  refresh(): Promise<void>;
  /** What the scheduler does every hour. */
  expire(): Promise<void>;
  close(): Promise<void>;
}

/** The key of a principal: `reader` of the platform, or the id given in `principals`. */
export const keyOf = (id: string): string => `ak_${id}_${SECRET}`;

export interface TrialOptions {
  readonly now?: Date;
  readonly settings?: NodeJS.ProcessEnv;
  /** Further principals by id. */
  readonly principals?: Readonly<Record<string, { orgId: string | null; roles: readonly string[] }>>;
}

export async function startTrial(
  database: TestDatabase,
  { now = new Date(), settings = {}, principals = {} }: TrialOptions = {},
): Promise<TrialService> {
  const all = { reader: { orgId: null, roles: ['platform-admin'] }, ...principals };
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    SERVICE_ROLES: 'api',
    LOG_LEVEL: 'silent',
    FRESHNESS_CACHE_TTL: '1ms',
    API_KEYS: JSON.stringify(
      Object.entries(all).map(([id, principal]) => ({ id, sha256: SHA256, ...principal })),
    ),
    ...settings,
  });
  const clock = { now };
  const testing = await Test.createTestingModule({ imports: [AppModule.of(config)] })
    .overrideProvider(Clock)
    .useValue({ now: () => clock.now })
    .compile();
  const app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), { logger: false });
  await configureHttp(app);
  await app.init();
  await app.get(DatabaseSchema).ready();
  const commands = app.get(CommandBus);
  const contract = Contract.of(app);
  return {
    async send(method, path, body, key = keyOf('reader')) {
      const answer = await app.inject({
        method,
        url: `/analytics/v1${path}`,
        headers: { 'x-api-key': key },
        ...(body !== undefined && { payload: body as object }),
      });
      contract.checkInjected(method, `/analytics/v1${path}`, answer);
      const isJson = String(answer.headers['content-type']).includes('json');
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: isJson ? answer.json<unknown>() : answer.body,
      };
    },
    app,
    commands,
    queries: app.get(QueryBus),
    get now() {
      return clock.now;
    },
    set now(instant: Date) {
      clock.now = instant;
    },
    async refresh() {
      await commands.execute(new RefreshRollupsCommand());
    },
    async expire() {
      await commands.execute(new ExpireDataCommand());
    },
    close: () => app.close(),
  };
}
