import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceProcess } from '../../src/cli/service-process';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';

const ORG = '11111111-1111-4111-8111-111111111111';
const ROUTE = `/analytics/v1/orgs/${ORG}/freshness`;
const TOKEN = join(__dirname, '..', '..', 'dist', 'cli', 'token.js');

interface Check {
  readonly status: 'up' | 'down';
  readonly detail: string;
  readonly since: string;
}

describe('the service as a process', () => {
  let database: TestDatabase;
  let directory: string;
  let proxy: TcpProxy;
  let service: ServiceProcess | undefined;
  let logFile: string;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'start-and-stop-'));
    logFile = join(directory, 'service.log');
    database = await createTestDatabase('postgres');
    proxy = await TcpProxy.before(database.url);
  });
  afterEach(async () => {
    await service?.kill();
    service = undefined;
    await proxy.close();
    await database.drop();
    rmSync(directory, { recursive: true });
  });

  async function start(settings: Record<string, string> = {}): Promise<ServiceProcess> {
    const ours = { NODE_ENV: 'development', DATA_DIR: directory, DATABASE_URL: proxy.through(database.url) };
    service = await ServiceProcess.start({ ...ours, ...settings }, logFile);
    return service;
  }

  async function get(path: string, headers: Record<string, string> = {}) {
    const answer = await fetch(`${service?.url}${path}`, { headers });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  async function alive(): Promise<void> {
    const deadline = Date.now() + 30_000;
    while ((await get('/healthz/live').catch(() => undefined))?.status !== 200) {
      if (Date.now() > deadline) throw new Error('The service does not live.');
      await sleep(50);
    }
  }

  async function checks(): Promise<Record<string, Check>> {
    return (JSON.parse((await get('/healthz/ready')).text) as { details: Record<string, Check> }).details;
  }

  function token(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) =>
      execFile(
        process.execPath,
        [TOKEN, ...args],
        { env: { DATA_DIR: directory } },
        (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout: stdout.trim(), stderr }),
      ),
    );
  }

  it('waits for a database that is away, says so, and goes on when it comes', async () => {
    await proxy.cut();
    await start();
    await alive();
    expect((await get('/healthz/ready')).status).toBe(503);
    const { database: check } = await checks();
    expect(check).toMatchObject({ status: 'down', detail: expect.stringContaining('ECONNREFUSED') });
    expect(Date.parse(check?.since ?? '')).toBeLessThanOrEqual(Date.now());
    const { stdout: bearer } = await token();
    const authorization = `Bearer ${bearer}`;
    const early = await get(ROUTE, { authorization });
    expect(early.status).toBe(503);
    expect(early.headers.get('content-type')).toBe('application/problem+json');
    expect(early.headers.get('retry-after')).toBe('5');
    expect(readFileSync(logFile, 'utf8')).toContain('The database is not ready yet, trying again');

    await proxy.heal();
    await service?.ready();
    expect((await checks())['database']).toMatchObject({ status: 'up', detail: 'postgres' });
    expect((await get(ROUTE, { authorization })).status).toBe(200);
  });

  it('lives while the database takes connections and says nothing', async () => {
    proxy.blackHole();
    await start();
    await alive();
    expect((await checks())['database']).toMatchObject({ status: 'down' });
    await proxy.heal();
    await service?.ready();
  });

  it('is not ready when the database goes away later, and ready again when it is back', async () => {
    await start();
    await service?.ready();
    await proxy.cut();
    expect((await checks())['database']).toMatchObject({ status: 'down' });
    const { stdout: bearer } = await token();
    const authorization = `Bearer ${bearer}`;
    const away = await get(ROUTE, { authorization });
    expect(away.status).toBe(503);
    expect(away.headers.get('retry-after')).toBe('5');
    await proxy.heal();
    await service?.ready();
    expect((await get(ROUTE, { authorization })).status).toBe(200);
  });

  describe('with a broker', () => {
    let vhost: TestVhost;
    let brokerProxy: TcpProxy;

    beforeEach(async () => {
      vhost = await createTestVhost();
      brokerProxy = await TcpProxy.before(vhost.url);
    });
    afterEach(async () => {
      // RabbitMQ fails to remove a virtual host in which queues are being declared.
      await service?.stop();
      await brokerProxy.close();
      await vhost.drop();
    });

    it('waits for one that is away, says so, answers meanwhile, and goes on when it comes', async () => {
      await brokerProxy.cut();
      await start({ AMQP_URL: brokerProxy.through(vhost.url) });
      await alive();
      expect((await get('/healthz/ready')).status).toBe(503);
      expect((await checks())['broker']).toMatchObject({ status: 'down' });
      const { stdout: bearer } = await token();
      expect((await get(ROUTE, { authorization: `Bearer ${bearer}` })).status).toBe(200);
      await brokerProxy.heal();
      await service?.ready();
      expect((await checks())['broker']).toMatchObject({ status: 'up' });
    });
  });

  it('does not start with a wrong configuration, and tells every mistake but no value', async () => {
    await start({ LOG_LEVEL: 'hunter2', DATABASE_URL: 'hunter2', LATE_HORIZON: '31d' });
    expect(await service?.ended()).toBe(1);
    const log = readFileSync(logFile, 'utf8');
    for (const name of ['LOG_LEVEL', 'DATABASE_URL', 'LATE_HORIZON'])
      expect(log).toContain(`${name} must be`);
    expect(log).not.toMatch(/hunter2|^\s+at /m);
  });

  it('does not start in production when nobody could get in', async () => {
    await start({ NODE_ENV: 'production' });
    expect(await service?.ended()).toBe(1);
    expect(readFileSync(logFile, 'utf8')).toContain('AUTH_JWKS_URL or API_KEYS must be set in production');
  });

  it('does not start on a schema of the other engine', async () => {
    await start({ STORAGE_ENGINE: 'timescale' });
    expect(await service?.ended()).toBe(1);
    const log = readFileSync(logFile, 'utf8');
    expect(log).toContain('holds the schema of the engine postgres');
    expect(log).not.toMatch(/^\s+at /m);
  });

  it('answers no requests without the role api, but probes and metrics', async () => {
    await start({ SERVICE_ROLES: 'worker' });
    await service?.ready();
    const { stdout: bearer } = await token();
    expect((await get(ROUTE, { authorization: `Bearer ${bearer}` })).status).toBe(404);
    expect((await get('/metrics')).text).toContain('process_cpu_seconds_total');
  });

  it('shows its documentation to people and programs', async () => {
    await start();
    await service?.ready();
    expect((await get('/docs')).text).toContain('swagger-ui');
    expect((await get('/docs/swagger-ui-bundle.js')).status).toBe(200);
    const document = JSON.parse((await get('/openapi.json')).text) as { paths: object };
    expect(Object.keys(document.paths)).toContain('/analytics/v1/orgs/{orgId}/freshness');
  });

  it('takes the development token of npm run token, for its organisation only', async () => {
    await start();
    await service?.ready();
    const { stdout: bearer } = await token('--role', 'org-viewer', '--org', ORG, '--expires', '1h');
    const authorization = `Bearer ${bearer}`;
    expect((await get(ROUTE, { authorization })).status).toBe(200);
    expect((await get(ROUTE.replace('1111', '2222'), { authorization })).status).toBe(404);
    expect((await get(`${ROUTE}x`, { authorization })).status).toBe(404);
  });

  it.each([
    ['--role=root', '--role must be one of'],
    ['--org=acme', '--org must be a UUID'],
    ['--role=org-viewer', '--org must say'],
    ['--expires=soon', '--expires must be a span'],
    ['--rolle=producer', "Unknown option '--rolle'"],
  ])('prints no token for %s', async (option, sentence) => {
    expect(await token(option)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) });
  });

  it('ends with 0 on SIGTERM, whatever connection is open', async () => {
    await start();
    await service?.ready();
    const { hostname, port } = new URL(service?.url ?? '');
    const silent = connect(Number(port), hostname);
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    expect(await service?.stop()).toBe(0);
    expect(readFileSync(logFile, 'utf8')).not.toContain('SHUTDOWN_GRACE is over');
    silent.destroy();
  });

  it('ends with 0 within its grace when something hangs', async () => {
    await start({ SHUTDOWN_GRACE: '2s' });
    await service?.ready();
    const lock = await database.pool.connect();
    await lock.query('begin');
    await lock.query('lock table ingest_cursors in access exclusive mode');
    const { stdout: bearer } = await token();
    const hanging = get(ROUTE, { authorization: `Bearer ${bearer}` }).catch(() => undefined);
    await eventually(async () => {
      const { rows } = await database.pool.query(
        `select from pg_stat_activity
         where datname = current_database() and application_name = 'usage-analytics api' and wait_event_type = 'Lock'`,
      );
      expect(rows).not.toEqual([]);
    });
    expect(await service?.stop()).toBe(0);
    expect(readFileSync(logFile, 'utf8')).toContain('SHUTDOWN_GRACE is over');
    await lock.query('rollback');
    lock.release();
    await hanging;
  });
});
