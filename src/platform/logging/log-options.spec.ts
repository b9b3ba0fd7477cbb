import { Writable } from 'node:stream';
import { Controller, Get, Logger, Module, Req } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { FastifyRequest } from 'fastify';
import { Logger as JsonLogger, LoggerModule } from 'nestjs-pino';
import { AppError } from '../../shared/errors';
import { loadConfig } from '../config/config';
import { configureHttp, httpAdapter } from '../http/http-server';
import { loggedError, type LoggedRequest, logOptions } from './log-options';

type Line = Record<string, unknown>;

const lines: Line[] = [];
const memory = new Writable({
  write(chunk: Buffer, _, done) {
    lines.push(JSON.parse(chunk.toString()) as Line);
    done();
  },
});

@Controller()
class TrialController {
  private readonly logger = new Logger(TrialController.name);

  @Get('orgs/:orgId/usage')
  usage(@Req() { raw }: FastifyRequest): string {
    Object.assign<LoggedRequest, Partial<LoggedRequest>>(raw, { principalId: 'someone', orgId: 'the-org' });
    this.logger.log({ batchId: 7 }, 'On the way');
    return 'usage';
  }

  @Get('fails')
  fails(): never {
    throw Object.assign(new Error('outer', { cause: new Error('inner') }), { parameters: ['hunter2'] });
  }

  @Get('refused')
  refused(): never {
    const cause = Object.assign(new Error('expired'), { code: 'ERR_JWT_EXPIRED' });
    throw new AppError('unauthenticated', 'No.', { cause });
  }

  @Get('healthz/live')
  live(): string {
    return 'live';
  }
}

@Module({
  imports: [LoggerModule.forRoot({ pinoHttp: [logOptions('info'), memory] })],
  controllers: [TrialController],
})
class TrialModule {}

describe('the log', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const config = loadConfig({ NODE_ENV: 'test' });
    const testing = await Test.createTestingModule({ imports: [TrialModule] }).compile();
    app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), { bufferLogs: true });
    app.useLogger(app.get(JsonLogger));
    await configureHttp(app);
    await app.init();
  });
  afterAll(() => app.close());

  async function get(url: string): Promise<Line[]> {
    lines.length = 0;
    const headers = { 'x-request-id': 'request-1', authorization: 'Bearer hunter2', cookie: 'hunter2' };
    await app.inject({ method: 'GET', url, headers });
    await new Promise((resolve) => setImmediate(resolve));
    return [...lines];
  }

  it('has one line for an answered request, of what is listed and nothing else', async () => {
    const [, answered, ...others] = await get('/orgs/some-path/usage?token=hunter2');
    expect(others).toEqual([]);
    expect(answered).toEqual({
      level: 'info',
      time: expect.stringMatching(/^2.*Z$/),
      service: 'usage-analytics',
      requestId: 'request-1',
      method: 'GET',
      route: '/orgs/:orgId/usage',
      status: 200,
      durationMs: expect.any(Number),
      principalId: 'someone',
      orgId: 'the-org',
      msg: 'Answered a request',
    });
  });

  it('carries the id of the request in what is logged on the way', async () => {
    const [onTheWay] = await get('/orgs/1/usage');
    expect(onTheWay).toMatchObject({
      requestId: 'request-1',
      batchId: 7,
      context: 'TrialController',
      msg: 'On the way',
    });
  });

  it('has an unforeseen error once, with its causes and without what hangs on it', async () => {
    const [failure, answered, ...others] = await get('/fails');
    expect(failure).toMatchObject({
      level: 'error',
      route: '/fails',
      err: { type: 'Error', message: 'outer', cause: { message: 'inner' } },
    });
    expect(answered).toMatchObject({ level: 'warn', status: 500, msg: 'Answered a request with an error' });
    expect(answered).not.toHaveProperty('err');
    expect(others).toEqual([]);
  });

  it('says why a credential was refused', async () => {
    expect(await get('/refused')).toEqual([
      expect.objectContaining({ level: 'info', status: 401, reason: 'ERR_JWT_EXPIRED' }),
    ]);
  });

  it('has no lines of probes', async () => {
    expect(await get('/healthz/live')).toEqual([]);
  });

  it('never has credentials, queries or made-up paths', async () => {
    const all = [
      ...(await get('/orgs/hunter2/usage?hunter2')),
      ...(await get('/hunter2')),
      ...(await get('/fails')),
    ];
    expect(all.length).toBeGreaterThan(3);
    expect(JSON.stringify(all)).not.toContain('hunter2');
  });
});

describe('a logged error', () => {
  it('has of PostgreSQL what names the failure, not rows and statements', () => {
    const error = Object.assign(new Error('duplicate key value violates unique constraint'), {
      code: '23505',
      constraint: 'usage_events_pkey',
      detail: 'Key (event_id)=(hunter2) already exists.',
      where: 'COPY usage_events, line 1: "hunter2"',
      query: 'insert hunter2',
      parameters: ['hunter2'],
    });
    const logged = loggedError(error);
    expect(logged).toMatchObject({ code: '23505', constraint: 'usage_events_pkey' });
    expect(JSON.stringify(logged)).not.toContain('hunter2');
  });

  it('has the attempts of an aggregate, and ends where causes go in a circle', () => {
    const circle = new Error('circle');
    circle.cause = circle;
    expect(JSON.stringify(loggedError(circle)).match(/"message":"circle"/g)).toHaveLength(6);
    expect(loggedError(new AggregateError([new Error('one'), 'two']))).toMatchObject({
      errors: [{ message: 'one' }, 'two'],
    });
  });

  it('repeats nothing of what is no error', () => {
    expect(loggedError({ password: 'hunter2' })).toBe('object');
  });
});
