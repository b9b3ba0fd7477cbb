import type { EventBus } from '@nestjs/cqrs';
import type { Channel } from 'amqplib';
import { IngestUsageHandler } from '../../src/ingestion/commands/ingest-usage.handler';
import { IngestionProgress } from '../../src/ingestion/ingestion-progress';
import { PartitionLeases } from '../../src/ingestion/partition-leases';
import { PartitionReader } from '../../src/ingestion/partition-reader';
import type { PartitionShares } from '../../src/ingestion/partition-shares';
import { loadConfig } from '../../src/platform/config/config';
import type { StorageEngine } from '../../src/platform/database/storage-engine';
import type { Broker } from '../../src/platform/messaging/broker';
import { SystemClock } from '../../src/shared/clock';
import { IngestUsageCommand, type UsageBatch } from '../../src/shared/messages/ingest-usage.command';
import { conservation } from './invariants';
import { MemoryDatabase, type Owner } from './memory-database';
import { MemoryPool } from './memory-pool';
import { MemoryStore } from './memory-store';
import { MemoryStream } from './memory-stream';
import { settle, type Turns } from './turns';

export const PARTITIONS = 2;
const CONFIG = loadConfig({
  NODE_ENV: 'development',
  AMQP_URL: 'amqp://nowhere',
  INGEST_PARTITIONS: String(PARTITIONS),
  INGEST_BATCH_SIZE: '3',
  INGEST_BATCH_MAX_WAIT: '20ms',
  INGEST_LEASE: '1s',
  DEDUPE_WINDOW: '24h',
  LATE_HORIZON: '30d',
});
/** Enough turns and ticks for everything to be read, however it was broken. */
const LONGEST_DRAIN = 20_000;
const TICK_MS = 20;
/** After so many turns time passes although somebody waits. */
const TURNS_A_TICK = 4;

/** A process of the service: the real readers over ports in memory. */
interface Replica {
  readonly owner: Owner;
  readonly readers: readonly PartitionReader[];
}

/** Two streams, a database and two replicas, in which nothing happens unless the test lets it. */
export class ModelWorld {
  readonly streams: readonly MemoryStream[];
  readonly database: MemoryDatabase;
  private readonly replicas: [Replica, Replica];
  private clockSetAt = -Infinity;
  private born = 0;
  private steps = 0;

  constructor(readonly turns: Turns) {
    this.database = new MemoryDatabase(turns, (tables) => turns.violations.push(...conservation(tables, this.streams, this.clockSetAt))); // prettier-ignore
    this.streams = Array.from({ length: PARTITIONS }, (_, partition) => {
      const isCommitted = (offset: number) =>
        offset < (this.database.tables.cursors.get(partition)?.nextOffset ?? 0);
      // One of each kind.
      return new MemoryStream(turns, isCommitted, partition % 2 === 1);
    });
    this.replicas = [this.start(), this.start()];
  }

  /** SIGKILL, and another process in its place. */
  kill(place: 0 | 1): void {
    const { owner } = this.replicas[place];
    owner.isAlive = false;
    this.database.abandon(owner);
    this.replicas[place] = this.start();
  }

  /** SIGTERM, and another process in its place; the first one still takes its time to end. */
  restart(place: 0 | 1): void {
    for (const reader of this.replicas[place].readers) void reader.stop();
    this.replicas[place] = this.start();
  }

  /** So many turns; time passes between them. */
  async go(turns: number): Promise<void> {
    for (let taken = 0; taken < turns; taken += 1) await this.step();
  }

  setClockOn(ms: number): void {
    jest.setSystemTime(Date.now() + ms);
    this.clockSetAt = Date.now();
  }

  async pass(ms: number): Promise<void> {
    jest.advanceTimersByTime(ms);
    await settle();
  }

  /** Nothing breaks any more, until everything is read. */
  async drain(): Promise<void> {
    const { turns, streams, database } = this;
    turns.heal();
    for (const stream of streams) stream.hold(false);
    const isRead = () =>
      streams.every(({ published }, partition) => {
        const last = published.at(-1)?.offset ?? -1;
        return (database.tables.cursors.get(partition)?.nextOffset ?? 0) > last;
      });
    for (let steps = 0; !isRead() && turns.violations.length === 0; steps += 1) {
      if (steps > LONGEST_DRAIN) return void turns.violations.push('The streams are not read to their ends.');
      await this.step();
    }
  }

  /** Ends what is left without a word. */
  abandon(): void {
    for (const { owner } of this.replicas) owner.isAlive = false;
    jest.clearAllTimers();
  }

  private async step(): Promise<void> {
    this.steps += 1;
    if (this.turns.areWaiting && this.steps % TURNS_A_TICK > 0) await this.turns.take();
    else await this.pass(TICK_MS);
  }

  private start(): Replica {
    this.born += 1;
    const owner: Owner = { isAlive: true };
    const pool = new MemoryPool(this.database, owner).asPool;
    const leases = new PartitionLeases(pool, `replica ${String(this.born).padStart(4, '0')}`, CONFIG.ingestLease); // prettier-ignore
    const handler = new IngestUsageHandler(
      pool,
      new MemoryStore(CONFIG, CONFIG.dedupeWindow),
      { prepare: () => Promise.resolve() } as unknown as StorageEngine,
      new SystemClock(),
      { publish: () => undefined } as unknown as EventBus,
    );
    const shares = { take: () => true, giveUp: () => undefined, isSpare: () => false, isAlone: true };
    const readers = this.streams.map(
      (stream, partition) =>
        new PartitionReader(partition, `stream ${partition}`, {
          broker: this.brokerOf(stream, owner),
          leases,
          shares: shares as unknown as PartitionShares,
          config: CONFIG,
          progress: new IngestionProgress(),
          ingest: (batch: UsageBatch) => handler.execute(new IngestUsageCommand(batch)),
        }),
    );
    for (const reader of readers) reader.start();
    return { owner, readers };
  }

  private brokerOf(stream: MemoryStream, owner: Owner): Broker {
    const openConsumingChannel = async (): Promise<Channel | undefined> => {
      const fate = await this.turns.turn('open channel');
      return fate === 'done' ? stream.open(() => owner.isAlive).asChannel : undefined;
    };
    const declareTopology = () => Promise.resolve();
    const openReadingChannel = openConsumingChannel;
    return { openConsumingChannel, openReadingChannel, declareTopology } as unknown as Broker;
  }
}
