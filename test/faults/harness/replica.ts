import { createHash } from 'node:crypto';
import { ServiceProcess } from '../../../src/cli/service-process';
import { TcpProxy } from '../../support/tcp-proxy';
import { KillPoints } from './kill-points';

const SECRET = 'f'.repeat(43);
const API_KEYS = JSON.stringify([
  {
    id: 'faults',
    sha256: createHash('sha256').update(SECRET).digest('hex'),
    orgId: null,
    roles: ['platform-admin'],
  },
]);

export interface ReplicaAddresses {
  readonly databaseUrl: string;
  readonly amqpUrl: string;
  /** Set: streams are read by their own protocol. */
  readonly streamPort: number | undefined;
  readonly redisUrl: string;
}

/** One process of the service with a way of its own to each server. */
export class Replica {
  readonly killPoints = new KillPoints();
  private readonly dieWithHarness = (): void => {
    if (this.process) process.kill(this.process.pid, 'SIGKILL');
  };
  private process: ServiceProcess | undefined;

  private constructor(
    readonly name: string,
    readonly database: TcpProxy,
    readonly broker: TcpProxy,
    /** To the broker's port for the stream protocol. */
    readonly stream: TcpProxy | undefined,
    readonly redis: TcpProxy,
    private readonly settings: Record<string, string>,
    private readonly main: string,
    private readonly logFile: string,
  ) {
    database.inspectConnections(() => this.killPoints.inspector());
    process.once('exit', this.dieWithHarness);
  }

  static async create(
    name: string,
    { databaseUrl, amqpUrl, streamPort, redisUrl }: ReplicaAddresses,
    settings: Record<string, string>,
    main: string,
    logFile: string,
  ): Promise<Replica> {
    const database = await TcpProxy.before(databaseUrl);
    const broker = await TcpProxy.before(amqpUrl);
    const stream = streamPort === undefined ? undefined : await TcpProxy.before(atPort(amqpUrl, streamPort));
    const redis = await TcpProxy.before(redisUrl);
    const addresses = {
      DATABASE_URL: database.through(databaseUrl),
      AMQP_URL: broker.through(amqpUrl),
      ...(stream && { AMQP_STREAM_PORT: String(stream.port) }),
      REDIS_URL: redis.through(redisUrl),
      API_KEYS,
    };
    return new Replica(name, database, broker, stream, redis, { ...addresses, ...settings }, main, logFile);
  }

  /** All of its ways to servers of one kind. */
  edges(to: 'database' | 'broker' | 'redis'): readonly TcpProxy[] {
    return to === 'broker' && this.stream ? [this.broker, this.stream] : [this[to]];
  }

  get isUp(): boolean {
    return this.process !== undefined;
  }

  get pid(): number {
    if (!this.process) throw new Error(`${this.name} does not run.`);
    return this.process.pid;
  }

  /** Starts it, with further settings for this life; does not wait until it is ready. */
  async start(settings: Record<string, string> = {}): Promise<void> {
    this.process = await ServiceProcess.start({ ...this.settings, ...settings }, this.logFile, this.main);
  }

  async ready(): Promise<void> {
    await this.process?.ready();
  }

  /** As a virtual machine that is moved, or a node that swaps. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** As a power cut. */
  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await process?.kill();
  }

  /** As Kubernetes does; answers the exit code and the seconds it took. */
  async stop(): Promise<{ code: number | null; seconds: number }> {
    const { process } = this;
    const from = Date.now();
    this.process = undefined;
    const code = (await process?.stop()) ?? null;
    return { code, seconds: (Date.now() - from) / 1_000 };
  }

  /** Asks its API as a platform administrator. Throws when it does not answer within the time. */
  async ask(
    path: string,
    { body, withinMs = 30_000 }: { body?: object; withinMs?: number } = {},
  ): Promise<Response> {
    if (!this.process) throw new Error(`${this.name} does not run.`);
    return fetch(`${this.process.url}/analytics/v1${path}`, {
      headers: { 'x-api-key': `ak_faults_${SECRET}`, ...(body && { 'content-type': 'application/json' }) },
      redirect: 'follow',
      signal: AbortSignal.timeout(withinMs),
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
  }

  async close(): Promise<void> {
    if (this.process) process.kill(this.process.pid, 'SIGCONT');
    await this.kill();
    process.off('exit', this.dieWithHarness);
    const edges = (['database', 'broker', 'redis'] as const).flatMap((to) => this.edges(to));
    await Promise.all(edges.map((edge) => edge.close()));
  }
}

function atPort(url: string, port: number): string {
  return Object.assign(new URL(url), { port: String(port) }).href;
}
