import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signDevelopmentToken } from '../../src/access/development-keys';
import { ServiceProcess } from '../../src/cli/service-process';
import { eventually } from '../support/eventually';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver';
import { Producer } from '../support/producer';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { ORG_A } from '../support/usage-events';

const DIST = join(__dirname, '..', '..', 'dist');
const [SERVER, CLIENT, CONSUMER] = [2, 3, 5];

describe('a trace', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let receiver: OtlpReceiver;
  let service: ServiceProcess;
  let directory: string;
  let authorization: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'trace-'));
    [database, vhost, receiver] = await Promise.all([
      createTestDatabase('postgres'),
      createTestVhost(),
      OtlpReceiver.start(),
    ]);
    const settings = {
      NODE_ENV: 'development',
      DATA_DIR: directory,
      DATABASE_URL: database.url,
      AMQP_URL: vhost.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      LOG_LEVEL: 'debug',
    };
    service = await ServiceProcess.start(settings, join(directory, 'service.log'));
    await service.ready();
    const token = await signDevelopmentToken({
      dataDir: directory,
      issuer: 'usage-analytics',
      audience: 'usage-analytics',
      subject: 'trace',
      role: 'platform-admin',
      orgId: null,
      expiresIn: '1h',
    });
    authorization = `Bearer ${token}`;
  });
  afterAll(async () => {
    await service?.stop();
    await receiver?.close();
    await vhost?.drop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  function newTrace() {
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
  }

  function event(): Record<string, unknown> {
    return {
      eventId: randomUUID(),
      orgId: ORG_A,
      modelId: 'meta/llama-3-70b',
      occurredAt: new Date().toISOString(),
      status: 'success',
      latencyMs: 120,
      inputTokens: 10,
      outputTokens: 20,
    };
  }

  async function spanOf(is: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
    await eventually(() => expect(receiver.spans.some(is)).toBe(true));
    const found = receiver.spans.find(is);
    if (!found) throw new Error('no such span');
    return found;
  }

  function linksTo(traceId: string, spanId?: string) {
    return ({ kind, links = [] }: ReceivedSpan): boolean =>
      kind === CONSUMER &&
      links.some((link) => link.traceId === traceId && (spanId ?? link.spanId) === link.spanId);
  }

  it('leads from the publisher of an event to the commit of its batch', async () => {
    const publisher = newTrace();
    const producer = await Producer.connect(vhost.url);
    await producer.publish([event()], { traceparent: publisher.traceparent });
    await producer.close();

    const batch = await spanOf(linksTo(publisher.traceId, publisher.spanId));
    expect(batch.name).toBe('process analytics.usage:usage.#:0');
    expect(batch.attributes).toContainEqual({ key: 'messaging.batch.message_count', value: { intValue: 1 } });
    const statements = receiver.below(batch).filter(({ kind }) => kind === CLIENT);
    const names = statements.map(({ name }) => name);
    expect(names[0]).toBe('begin');
    expect(names).toEqual(
      expect.arrayContaining(['ingestion/advance-cursor', 'ingestion/find-known-keys', 'copy']),
    );
    expect(names.at(-1)).toBe('commit');
    expect(new Set(statements.map(({ traceId }) => traceId))).toEqual(new Set([batch.traceId]));
  });

  it('leads from a request that brings events to the batch that stores them', async () => {
    const caller = newTrace();
    const answer = await fetch(`${service.url}/analytics/v1/events`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', traceparent: caller.traceparent },
      body: JSON.stringify(event()),
    });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('x-request-id')).toBe(caller.traceId);

    const batch = await spanOf(linksTo(caller.traceId));
    const request = await spanOf(({ traceId, kind }) => traceId === caller.traceId && kind === SERVER);
    expect(request).toMatchObject({ name: 'POST /analytics/v1/events', parentSpanId: caller.spanId });
    expect(batch.traceId).not.toBe(caller.traceId);
  });

  it('leads from a question to its statements, and is told in the log and with the metrics', async () => {
    const caller = newTrace();
    const path = `/analytics/v1/orgs/${ORG_A}/usage`;
    const answer = await fetch(`${service.url}${path}`, {
      headers: { authorization, traceparent: caller.traceparent },
    });
    expect(answer.status).toBe(200);
    const request = await spanOf(({ traceId, kind }) => traceId === caller.traceId && kind === SERVER);
    const below = receiver.below(request);
    expect(below.map(({ name }) => name)).toEqual(expect.arrayContaining(['GetUsageQuery']));
    expect(below.some(({ kind, name }) => kind === CLIENT && name.startsWith('aggregation/series'))).toBe(
      true,
    );
    expect(readFileSync(service.logFile, 'utf8')).toContain(`"requestId":"${caller.traceId}"`);
    const metrics = await fetch(`${service.url}/metrics`, {
      headers: { accept: 'application/openmetrics-text' },
    });
    expect(await metrics.text()).toContain(`# {trace_id="${caller.traceId}"}`);
  });

  /** Lines of the log that hold a text. */
  function lines(holding: string): Record<string, unknown>[] {
    const all = readFileSync(service.logFile, 'utf8').split('\n');
    return all
      .filter((line) => line.includes(holding))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('has an id by which the log follows an event into its batch, and a request into its file', async () => {
    const publisher = newTrace();
    const producer = await Producer.connect(vhost.url);
    await producer.publish([event()], { traceparent: publisher.traceparent });
    await producer.close();
    await eventually(() =>
      expect(lines(publisher.traceId)).toMatchObject([{ msg: 'Stored a batch', partition: 0, events: 1, lastOffset: expect.any(Number) }]),
    ); // prettier-ignore

    const caller = newTrace();
    const answer = await fetch(`${service.url}/analytics/v1/orgs/${ORG_A}/exports`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', traceparent: caller.traceparent },
      body: JSON.stringify({ window: { start: 'now-1d', end: 'now' }, granularity: 'hourly' }),
    });
    const { jobId } = (await answer.json()) as { jobId: string };
    expect(lines(jobId)).toContainEqual(
      expect.objectContaining({ msg: 'An export was asked for', requestId: caller.traceId }),
    );
    await eventually(() =>
      expect(lines(jobId)).toContainEqual(
        expect.objectContaining({ msg: 'An attempt at an export has ended', outcome: 'succeeded' }),
      ),
    );
  });

  it('shows how rollups are refreshed', async () => {
    const refresh = await spanOf(({ name }) => name === 'RefreshRollupsCommand');
    expect(receiver.below(refresh).map(({ name }) => name)).toContain('aggregation/read-rollup-state');
  });

  it('has neither texts of statements nor what callers have sent', () => {
    const told = JSON.stringify(receiver.spans);
    expect(receiver.spans.length).toBeGreaterThan(20);
    expect(told).not.toMatch(/select |insert |llama|Bearer/);
    expect(told).not.toContain(ORG_A);
  });

  it('costs nothing where nobody collects it: nothing of the SDK is loaded', async () => {
    const program = `
      require('${DIST}/application').createApplication(require('${DIST}/platform/config/config').loadConfig())
        .then(() => {
          console.log(Object.keys(require.cache).filter((file) => /opentelemetry.(sdk|exporter|otlp)/.test(file)).length);
          process.exit(0);
        });`;
    const env = {
      ...process.env,
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      DATABASE_URL: database.url,
      DATA_DIR: directory,
    };
    const loaded = (more: Record<string, string>) =>
      new Promise<number>((resolve) =>
        execFile(process.execPath, ['-e', program], { env: { ...env, ...more } }, (_, stdout) =>
          resolve(Number(stdout || NaN)),
        ),
      );
    expect(await loaded({})).toBe(0);
    expect(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })).toBeGreaterThan(10);
  });
});
