import { connect } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Body, Controller, Get, Module, Param, Post, Query, Res } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsIn, IsInt, Max, ValidateNested } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { register } from 'prom-client';
import { eventually } from '../../../test/support/eventually';
import { AppError, type ErrorKind } from '../../shared/errors';
import { loadConfig } from '../config/config';
import { configureHttp, httpAdapter } from './http-server';
import { Optional } from './optional.decorator';
import { STATUS_OF } from './problem';
import { UuidPipe } from './uuid.pipe';

class Parameters {
  @ApiPropertyOptional()
  @Optional()
  @IsIn(['hour', 'day'], { message: 'must be one of hour, day.' })
  granularity?: string;

  @ApiPropertyOptional()
  @Optional()
  @Type(() => Number)
  @IsInt({ message: 'must be a whole number.' })
  @Max(10, { message: 'must be at most 10.' })
  limit?: number;
}

class Filter {
  @IsIn(['model'], { message: 'must be model.' })
  name!: string;
}

class Order {
  @ValidateNested({ each: true })
  @ArrayMaxSize(2)
  @Type(() => Filter)
  filters!: Filter[];
}

@Controller('trial')
class TrialController {
  @Get('parameters')
  parameters(@Query() parameters: Parameters): Parameters {
    return parameters;
  }

  @Post('orders')
  order(@Body() order: Order): Order {
    return order;
  }

  @Get('jobs/:jobId')
  job(@Param('jobId', UuidPipe) jobId: string): object {
    return { jobId };
  }

  @Get('fails/:kind')
  fail(@Param('kind') kind: string): never {
    if (kind === 'surprise') throw new TypeError('password=hunter2');
    if (kind === 'database') throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    if (kind === 'slow') throw Object.assign(new Error('cancelled'), { code: '57014', severity: 'ERROR' });
    throw new AppError(kind as ErrorKind, 'Do something else.', { retryAfterSeconds: 7 });
  }

  @Get('breaks')
  break(@Res() reply: FastifyReply): void {
    reply.raw.writeHead(200, { 'content-length': '100' });
    reply.raw.write('half');
    setTimeout(() => reply.raw.destroy(), 10);
  }

  @Get('large')
  large(): object {
    return { text: 'x'.repeat(5_000) };
  }
}

@Module({ controllers: [TrialController] })
class TrialModule {}

describe('the HTTP shell', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const config = loadConfig({ NODE_ENV: 'test', HTTP_BODY_LIMIT: '1kB' });
    const testing = await Test.createTestingModule({ imports: [TrialModule] }).compile();
    app = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), {
      logger: false,
      bodyParser: false,
    });
    await configureHttp(app);
    await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => app.close());

  async function send(method: 'GET' | 'POST', url: string, body?: string, headers: Record<string, string> = {}) {
    const answer = await app.inject({ method, url, ...(body !== undefined && { body }), headers });
    const json = /json/.test(String(answer.headers['content-type'])) && !answer.headers['content-encoding'];
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: json ? answer.json() : undefined };
  } // prettier-ignore
  const get = (path: string, headers?: Record<string, string>) => send('GET', `/trial/${path}`, undefined, headers); // prettier-ignore
  const post = (body: string, type = 'application/json') => send('POST', '/trial/orders', body, { 'content-type': type }); // prettier-ignore

  it.each(Object.entries(STATUS_OF))('answers %s as a problem with its status', async (kind, { status, title }) => {
    const answer = await get(`fails/${kind}`);
    expect(answer).toMatchObject({
      status,
      headers: { 'content-type': 'application/problem+json', 'retry-after': '7' },
      body: { type: 'about:blank', title, status, detail: 'Do something else.' },
    });
  }); // prettier-ignore

  it('tells nothing of what nobody foresaw but where to look', async () => {
    const answer = await get('fails/surprise', { 'x-request-id': 'mine-1' });
    expect(answer).toMatchObject({ status: 500, headers: { 'x-request-id': 'mine-1' } });
    expect(answer.text).not.toMatch(/hunter2|TypeError|at /);
  });

  it('says that a database that is away will be back, and that a slow question should be a smaller one', async () => {
    expect(await get('fails/database')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(await get('fails/slow')).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining('DATABASE_STATEMENT_TIMEOUT') },
    });
  });

  it('names each wrong parameter and what is allowed', async () => {
    expect(await get('parameters?granularity=eon&limit=11')).toMatchObject({
      status: 400,
      body: {
        errors: [
          { parameter: 'granularity', detail: 'must be one of hour, day.' },
          { parameter: 'limit', detail: 'must be at most 10.' },
        ],
      },
    });
  });

  it('refuses a parameter that it does not know, naming those that it does', async () => {
    expect(await get('parameters?granularty=day')).toMatchObject({
      status: 400,
      body: { errors: [{ parameter: 'granularty', detail: 'is not known here; known are granularity, limit.' }] },
    }); // prettier-ignore
  });

  it('refuses a path parameter that is no UUID by its name', async () => {
    expect(await get('jobs/7')).toMatchObject({
      status: 400,
      body: { errors: [{ parameter: 'jobId', detail: 'must be a UUID.' }] },
    });
    const jobId = 'AAAAAAAA-1111-4111-8111-111111111111';
    expect(await get(`jobs/${jobId}`)).toMatchObject({ status: 200, body: { jobId: jobId.toLowerCase() } });
  });

  it('points to what is wrong in a body', async () => {
    expect(await post(JSON.stringify({ filters: [{ name: 'model' }, { name: 'x' }], 'a/b': 1 }))).toMatchObject({
      status: 400,
      body: {
        errors: expect.arrayContaining([
          { pointer: '/filters/1/name', detail: 'must be model.' },
          { pointer: '/a~1b', detail: expect.stringContaining('is not known here') },
        ]),
      },
    });
  }); // prettier-ignore

  it.each([
    ['no JSON', '{"filters":', 400],
    ['nothing', '', 400],
    ['no object', '7', 400],
    ['null', 'null', 400],
    ['a polluting object', '{"__proto__":{"admin":true},"filters":[]}', 400],
    ['too much', JSON.stringify({ filters: 'x'.repeat(1_000) }), 413],
  ])('refuses a body that is %s', async (_, body, status) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status, headers: { 'content-type': 'application/problem+json' } });
    expect(answer.body.detail).toBeTruthy();
  });

  it('names the limit that a body exceeds, and the media types that it takes', async () => {
    expect((await post('x'.repeat(2_000))).body.detail).toContain('1000 bytes (HTTP_BODY_LIMIT)');
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded']) {
      expect(await post('filters=1', type)).toMatchObject({
        status: 415,
        body: { detail: expect.stringContaining('application/cloudevents+json') },
      });
    }
  });

  it('reads CloudEvents as JSON', async () => {
    for (const type of [
      'application/cloudevents+json',
      'application/cloudevents-batch+json; charset=utf-8',
    ]) {
      expect(await post('{"filters":[]}', type)).toMatchObject({ status: 201, body: { filters: [] } });
    }
  });

  it('answers a route that is none as a problem that does not repeat it', async () => {
    const answer = await send('GET', '/nowhere?key=hunter2');
    expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'application/problem+json' } });
    expect(answer.text).not.toMatch(/nowhere|hunter2/);
  });

  it('answers a path that cannot be decoded as a problem', async () => {
    expect(await send('GET', '/trial/%zz')).toMatchObject({
      status: 400,
      headers: { 'content-type': 'application/problem+json' },
    });
  });

  it('breaks the connection of an answer that fails half way', async () => {
    const { port } = app.getHttpServer().address() as AddressInfo;
    await expect(fetch(`http://127.0.0.1:${port}/trial/breaks`).then((answer) => answer.text())).rejects.toThrow();
    expect(await get('parameters')).toMatchObject({ status: 200 });
  }); // prettier-ignore

  it.each([
    ['x-request-id', 'abc.DEF:1-2_3', 'abc.DEF:1-2_3'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '0af7651916cd43dd8448eb211c80319c'],
  ])('gives back the correlation of %s', async (header, value, id) => {
    expect((await get('parameters', { [header]: value })).headers['x-request-id']).toBe(id);
  }); // prettier-ignore

  it.each([
    ['x-request-id', 'two words'],
    ['x-request-id', 'x'.repeat(200)],
    ['traceparent', '00-00000000000000000000000000000000-b7ad6b7169203331-01'],
  ])('makes an id of its own where %s is %s', async (header, value) => {
    expect((await get('parameters', { [header]: value })).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('says nothing of its making and lets browsers take nothing for anything else', async () => {
    const { headers } = await get('parameters');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['server', 'x-powered-by']));
  });

  it('compresses long answers for those who take it', async () => {
    expect((await get('large', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBe('gzip');
    expect((await get('parameters', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  }); // prettier-ignore

  it('measures requests by route, never by path', async () => {
    await get('jobs/AAAAAAAA-1111-4111-8111-111111111111');
    await send('GET', '/made-up');
    const metrics = await register.getSingleMetricAsString('http_request_duration_seconds');
    expect(metrics).toContain('http_request_duration_seconds_count{method="GET",route="/trial/jobs/:jobId",status="200"}'); // prettier-ignore
    expect(metrics).not.toMatch(/AAAAAAAA|made-up/);
  });

  it('answers requests that run when it stops, and takes no new ones', async () => {
    const config = loadConfig({ NODE_ENV: 'test' });
    let answerNow: () => void = () => undefined;
    let hasArrived: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (hasArrived = resolve));
    @Controller()
    class SlowController {
      @Get('slow')
      slow(): Promise<object> {
        hasArrived();
        return new Promise((answer) => (answerNow = () => answer({ whole: true })));
      }
    }
    @Module({ controllers: [SlowController] })
    class SlowModule {}
    const testing = await Test.createTestingModule({ imports: [SlowModule] }).compile();
    const other = testing.createNestApplication<NestFastifyApplication>(httpAdapter(config), {
      logger: false,
    });
    await configureHttp(other);
    await other.listen({ host: '127.0.0.1', port: 0 });
    const { port } = other.getHttpServer().address() as AddressInfo;
    const idle = connect(port, '127.0.0.1');
    await once(idle, 'connect');
    const running = fetch(`http://127.0.0.1:${port}/slow`);
    await arrived;
    const closed = other.close();
    await eventually(() => expect(other.getHttpServer().listening).toBe(false));
    await expect(fetch(`http://127.0.0.1:${port}/slow`)).rejects.toThrow();
    answerNow();
    expect(await (await running).json()).toEqual({ whole: true });
    await closed;
    idle.destroy();
  });
});
