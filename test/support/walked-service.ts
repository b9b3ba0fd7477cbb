import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { connect } from 'amqplib';
import { freePort } from '../../src/cli/servers/free-port';
import { ServiceProcess } from '../../src/cli/service-process';
import { USAGE_STREAM } from '../../src/platform/messaging/topology';
import { defaultValues, rendered } from './chart';
import { outputOf } from './debian-tools';
import { commandsOf, inShell } from './documented-commands';
import { kubectl, KubernetesApi } from './kubernetes-api';
import { Producer } from './producer';
import { PrometheusServer } from './prometheus-server';
import { S3_BUCKET, S3_CREDENTIALS, startTestS3, type TestS3 } from './s3-server';
import { TcpProxy } from './tcp-proxy';
import { createTestDatabase, type TestDatabase } from './test-database';
import { testServers } from './test-servers';
import { createTestVhost, type TestVhost } from './test-vhost';

const ROOT = join(__dirname, '..', '..');
export const CANARY_ORG = 'c0000000-0000-4000-8000-00000000000c';
export const ROLES = ['api', 'ingest', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** A deployment in small, as a chart makes it: a process for each role, real servers, and intervals that can be waited for. */
export class WalkedService {
  readonly processes = new Map<Role, ServiceProcess>();
  /** Names of the blocks that `console` has run. */
  readonly shownOnConsole = new Set<string>();
  /** As Kubernetes has the processes: with the chart's objects, and a pod for each. */
  kubernetes!: KubernetesApi;
  producer!: Producer;
  prometheus!: PrometheusServer;

  private constructor(
    readonly database: TestDatabase,
    readonly vhost: TestVhost,
    readonly s3: TestS3,
    /** Between the canary and the API. */
    readonly ingress: TcpProxy,
    private readonly directory: string,
    private readonly key: string,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(): Promise<WalkedService> {
    const directory = mkdtempSync(join(tmpdir(), 'walks-'));
    const engine = testServers().timescaleUrl === undefined ? 'postgres' : 'timescale';
    const [database, vhost, s3, port] = await Promise.all([
      createTestDatabase(engine),
      createTestVhost(),
      startTestS3(),
      freePort(),
    ]);
    const ingress = await TcpProxy.before(`http://127.0.0.1:${port}`);
    const operator = apiKey('operator', null, ['platform-admin']);
    const canary = apiKey('canary', CANARY_ORG, ['producer', 'org-viewer']);
    const service = new WalkedService(database, vhost, s3, ingress, directory, operator.key, {
      NODE_ENV: 'production',
      DATA_DIR: directory,
      DATABASE_URL: database.url,
      AMQP_URL: vhost.url,
      API_KEYS: JSON.stringify([operator.entry, canary.entry]),
      API_PORT: String(port),
      DATABASE_STATEMENT_TIMEOUT: '2s',
      AMQP_STREAM_MAX_BYTES: '1MB',
      AMQP_STREAM_SEGMENT_BYTES: '256KiB',
      INGEST_LEASE: '2s',
      ROLLUP_REFRESH_INTERVAL: '500ms',
      FRESHNESS_CACHE_TTL: '100ms',
      CANARY_URL: `http://127.0.0.1:${ingress.port}`,
      CANARY_ORG,
      CANARY_API_KEY: canary.key,
      CANARY_INTERVAL: '2s',
      EXPORT_RETRY_BACKOFF: '500ms',
      S3_BUCKET,
      S3_ENDPOINT: s3.proxy.endpoint,
      S3_FORCE_PATH_STYLE: 'true',
      S3_TIMEOUT: '1s',
      AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
    });
    try {
      const { manifests } = await rendered(defaultValues, 'usage-analytics');
      service.kubernetes = await KubernetesApi.start(manifests, {
        log: (component) => service.log(component as Role),
        runs: (component) => service.processes.has(component as Role),
        scaled: (component) => void service.run(component as Role),
      });
      service.prometheus = await PrometheusServer.start(directory);
      await Promise.all(ROLES.map((role) => service.run(role)));
      service.producer = await Producer.connect(vhost.url);
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  /** Starts the process of a role; resolves when it is ready. */
  async run(role: Role): Promise<void> {
    const { API_PORT: port = '', ...settings } = this.settings;
    const own = { SERVICE_ROLES: role, ...(role === 'api' && { PORT: port }) };
    const service = await ServiceProcess.start({ ...settings, ...own }, this.logFile(role));
    this.processes.set(role, service);
    this.prometheus.scrape([...this.processes.values()].map(({ url }) => new URL(url).host));
    await service.ready();
  }

  async kill(role: Role): Promise<void> {
    await this.processes.get(role)?.kill();
    this.processes.delete(role);
  }

  /** Replaces the processes of these roles by ones with changed settings; resolves when all are ready. */
  async reconfigure(change: Record<string, string>, roles: readonly Role[] = ROLES): Promise<void> {
    Object.assign(this.settings, change);
    for (const role of roles) {
      await this.kill(role);
      await this.run(role);
    }
  }

  async stop(): Promise<void> {
    await (this.producer as Producer | undefined)?.close();
    await Promise.all([...this.processes.values()].map((service) => service.stop()));
    await (this.prometheus as PrometheusServer | undefined)?.stop();
    (this.kubernetes as KubernetesApi | undefined)?.stop();
    await this.ingress.close();
    await this.s3.stop();
    await this.vhost.drop();
    await this.database.drop();
    rmSync(this.directory, { recursive: true });
  }

  log(role: Role): string {
    return readFileSync(this.logFile(role), 'utf8');
  }

  get url(): string {
    return this.processes.get('api')?.url ?? '';
  }

  async ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer & { status: number }> {
    const answer = await fetch(`${this.url}/analytics/v1${path}`, {
      method,
      headers: { 'x-api-key': this.key, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { ...((await answer.json()) as Answer), status: answer.status };
  }

  /** The sum of a metric over all processes, of the series that have these labels; NaN when there is none. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const texts = await Promise.all(
      [...this.processes.values()].map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
    );
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const values = texts
      .flatMap((text) => text.split('\n'))
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .map((line) => Number(line.split(' ').at(-1)));
    return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0);
  }

  /** What an operator sees who runs the blocks of a runbook one after the other. */
  async look(runbook: string): Promise<string> {
    const shown: string[] = [];
    for (const { language, text } of commandsOf(`docs/runbooks/${runbook}.md`)) {
      if (language === 'sql') shown.push(...(await this.rows(text)).map((row) => JSON.stringify(row)));
      if (language === 'sh') shown.push((await this.shell(text)).text);
    }
    return shown.join('\n');
  }

  /**
   * What an operator sees in the terminal who runs the runbook's block for `kubectl` and `rabbitmqctl`, the one of that
   * number. Throws what was printed when it fails.
   */
  async console(runbook: string, number = 1): Promise<string> {
    const blocks = commandsOf(`docs/runbooks/${runbook}.md`).filter(({ language }) => language === 'console');
    const command = blocks[number - 1];
    if (!command) throw new Error(`${runbook} has ${blocks.length} such blocks.`);
    this.shownOnConsole.add(command.name);
    const { rabbitmqctlEnvironment } = testServers();
    if (!rabbitmqctlEnvironment && command.text.includes('rabbitmqctl'))
      throw new Error('Only a broker that the tests have started from this machine’s programs has a rabbitmqctl.'); // prettier-ignore
    const { PATH = process.env['PATH'] ?? '', ...broker } = rabbitmqctlEnvironment ?? {};
    const { code, text } = await inShell(command.text, {
      ...broker,
      PATH: [dirname(await kubectl()), PATH].join(delimiter),
      KUBECONFIG: this.kubernetes.kubeconfig(this.directory),
      VHOST: this.vhost.name,
    });
    if (code !== 0) throw new Error(`${command.name} ends with ${code}:\n${text}`);
    return text;
  }

  /** Rows of the runbook's SQL blocks. */
  async seen(runbook: string): Promise<Record<string, unknown>[]> {
    const blocks = commandsOf(`docs/runbooks/${runbook}.md`).filter(({ language }) => language === 'sql');
    const rows: Record<string, unknown>[] = [];
    for (const { text } of blocks) rows.push(...(await this.rows(text)));
    return rows;
  }

  shell(text: string): Promise<{ code: number; text: string }> {
    const { NODE_ENV: _, ...settings } = this.settings;
    return inShell(text, { ...settings, SERVICE: this.url, KEY: this.key });
  }

  /** Of the oldest message that the stream still has. */
  async firstOffset(): Promise<number> {
    const connection = await connect(this.vhost.url);
    const channel = await connection.createChannel();
    await channel.prefetch(1);
    const offset = await new Promise<number>((resolve, reject) => {
      channel
        .consume(
          USAGE_STREAM,
          (message) => resolve(Number(message?.properties.headers?.['x-stream-offset'])),
          {
            arguments: { 'x-stream-offset': 'first' },
          },
        )
        .catch(reject);
    });
    await connection.close();
    return offset;
  }

  /** `npm run verify`; 3 means that something waits for a review. */
  async verify(): Promise<number> {
    const env = { ...process.env, DATABASE_URL: this.database.url, DATA_DIR: this.directory };
    return (await outputOf(process.execPath, ['cli.mjs', 'verify'], { cwd: ROOT, env })).code;
  }

  private async rows(statement: string): Promise<Record<string, unknown>[]> {
    return (await this.database.pool.query<Record<string, unknown>>(statement)).rows;
  }

  private logFile(role: Role): string {
    return join(this.directory, `${role}.log`);
  }
}

function apiKey(id: string, orgId: string | null, roles: string[]): { key: string; entry: object } {
  const secret = randomBytes(32).toString('base64url');
  const sha256 = createHash('sha256').update(secret).digest('hex');
  return { key: `ak_${id}_${secret}`, entry: { id, sha256, orgId, roles } };
}
