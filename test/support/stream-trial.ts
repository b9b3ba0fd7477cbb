import type { INestApplicationContext } from '@nestjs/common';
import { Broker } from '../../src/platform/messaging/broker';
import { eventually } from './eventually';
import { readinessOf, startIngestion } from './ingestion-service';
import { Producer } from './producer';
import { createTestDatabase, type TestDatabase } from './test-database';
import { createTestVhost, type TestVhost } from './test-vhost';

export const PROTOCOLS = ['amqp', 'stream'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A stream and a database of one test, and the replicas that read the one into the other over `protocol`. */
export class StreamTrial {
  /** Those that `end` has to close. */
  readonly replicas: INestApplicationContext[] = [];
  private connected: Producer | undefined;

  private constructor(
    readonly database: TestDatabase,
    readonly vhost: TestVhost,
    private readonly protocol: Protocol,
  ) {}

  static async begin(protocol: Protocol): Promise<StreamTrial> {
    return new StreamTrial(
      ...(await Promise.all([createTestDatabase('postgres'), createTestVhost()])),
      protocol,
    );
  }

  async end(): Promise<void> {
    await this.connected?.close();
    for (const replica of this.replicas.splice(0)) {
      await replica.close();
      // Of two applications in a process golevelup closes the connection of the one that came last.
      await replica.get(Broker).consuming.close();
    }
    await Promise.all([this.database.drop(), this.vhost.drop()]);
  }

  /** Publishes once the first replica has declared the stream. */
  get producer(): Producer {
    if (!this.connected) throw new Error('Nobody reads the stream yet.');
    return this.connected;
  }

  /** A replica that reads; it may not have begun. */
  async launch(env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> {
    const replica = await startIngestion({
      DATABASE_URL: this.database.url,
      AMQP_URL: this.vhost.url,
      ...(this.protocol === 'stream' ? { AMQP_STREAM_PORT: String(this.vhost.streamPort) } : {}),
      INGEST_LEASE: '1s',
      INGEST_BATCH_MAX_WAIT: '50ms',
      ...env,
    });
    this.replicas.push(replica);
    return replica;
  }

  /** A replica that reads by now. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<INestApplicationContext> {
    const replica = await this.launch(env);
    await this.reads(replica);
    return replica;
  }

  async reads(replica: INestApplicationContext): Promise<void> {
    await eventually(async () => expect(await readinessOf(replica, 'ingestion')).toMatch(/^reads partition/));
    this.connected ??= await Producer.connect(this.vhost.url);
  }

  async rowsOf(query: string): Promise<Record<string, unknown>[]> {
    return (await this.database.pool.query<Record<string, unknown>>(query)).rows;
  }

  /** Waits until so many events are stored. */
  async stored(count: number): Promise<void> {
    await eventually(async () =>
      expect(await this.rowsOf('select count(*)::integer as stored from usage_events')).toEqual([
        { stored: count },
      ]),
    );
  }
}
