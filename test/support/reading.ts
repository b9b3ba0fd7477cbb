import { createHash } from 'node:crypto';
import { CqrsModule, QueryBus } from '@nestjs/cqrs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Client } from 'pg';
import { AccessModule } from '../../src/access/access.module';
import { OrgScope } from '../../src/access/principal';
import { AggregationModule } from '../../src/aggregation/aggregation.module';
import { FreshnessModule } from '../../src/freshness/freshness.module';
import { Config, loadConfig } from '../../src/platform/config/config';
import { configureHttp, httpAdapter } from '../../src/platform/http/http-server';
import { sql } from '../../src/platform/database/sql';
import { PlatformModule } from '../../src/platform/platform.module';
import { Clock } from '../../src/shared/clock';
import { Contract } from './contract';
import type { TestDatabase } from './test-database';

// Applied to the client it was called on.
const original = Client.prototype.query;

const tuneReading = sql('aggregation/tune-reading');
const SECRET = 'a'.repeat(43);
/** Of the platform administrator as whom requests are sent. */
export const READER_KEY = `ak_reader_${SECRET}`;

/** The reading half of the service on a test database, at a moment that stands still. */
export interface Reading {
  /** Sends a request as a platform administrator, or with these headers; fails when its answer is not documented. */
  get(path: string, headers?: Record<string, string>): Promise<ReadingAnswer>;
  readonly queries: QueryBus;
  /** The statements that `work` sends to the database, with their parameters. */
  statementsOf(work: () => Promise<unknown>): Promise<SentStatement[]>;
  scopeOf(orgId: string): OrgScope;
  /** What the service takes for now. */
  now: Date;
  close(): Promise<void>;
}

export interface SentStatement {
  /** In a transaction that had taken the settings of `sql/aggregation/tune-reading.sql`. */
  readonly isTuned: boolean;
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface ReadingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly text: string;
  // Answers are asserted field by field.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export async function startReading(
  database: TestDatabase,
  now: Date,
  settings: NodeJS.ProcessEnv = {},
): Promise<Reading> {
  const sha256 = createHash('sha256').update(SECRET).digest('hex');
  const environment = {
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    SERVICE_ROLES: 'api',
    LOG_LEVEL: 'silent',
    FRESHNESS_CACHE_TTL: '1ms',
    API_KEYS: JSON.stringify([{ id: 'reader', sha256, orgId: null, roles: ['platform-admin'] }]),
    ...settings,
  };
  const config = loadConfig(environment);
  // Reading needs no broker, only to know whether there is one.
  const plumbing = PlatformModule.of(loadConfig({ ...environment, AMQP_URL: '' }));
  const clock = { now };
  const testing = await Test.createTestingModule({
    imports: [plumbing, CqrsModule.forRoot(), AccessModule, AggregationModule, FreshnessModule],
  })
    .overrideProvider(Config)
    .useValue(config)
    .overrideProvider(Clock)
    .useValue({ now: () => clock.now })
    .compile();
  const app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), { logger: false });
  await configureHttp(app);
  await app.init();
  const principal = { id: 'reader', kind: 'api-key', roles: ['platform-admin'], orgId: null } as const;
  const contract = Contract.of(app);
  return {
    async get(path, headers = { 'x-api-key': READER_KEY }) {
      const answer = await app.inject({ method: 'GET', url: `/analytics/v1${path}`, headers });
      const isJson =
        String(answer.headers['content-type']).includes('json') && !answer.headers['content-encoding'];
      const body = isJson ? (JSON.parse(answer.body) as unknown) : undefined;
      contract.checkInjected('GET', `/analytics/v1${path}`, answer);
      return { status: answer.statusCode, headers: answer.headers, text: answer.body, body };
    },
    queries: app.get(QueryBus),
    async statementsOf(work) {
      const sent: SentStatement[] = [];
      const tuned = new Set<Client>();
      const spy = jest.spyOn(Client.prototype, 'query');
      spy.mockImplementation(function (this: Client, ...given: unknown[]): void {
        const [statement] = given;
        if (statement === tuneReading.text) tuned.add(this);
        if (statement === 'commit' || statement === 'rollback') tuned.delete(this);
        if (typeof statement === 'object' && statement !== null && 'name' in statement)
          sent.push({ ...(statement as Omit<SentStatement, 'isTuned'>), isTuned: tuned.has(this) });
        return Reflect.apply(original, this, given) as never;
      });
      try {
        await work();
        return sent;
      } finally {
        spy.mockRestore();
      }
    },
    scopeOf: (orgId) => OrgScope.of(principal, orgId) as OrgScope,
    get now() {
      return clock.now;
    },
    set now(instant: Date) {
      clock.now = instant;
    },
    close: () => app.close(),
  };
}
