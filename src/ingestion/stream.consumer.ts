import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { IngestPool } from '../platform/database/pools';
import { ReadinessChecks } from '../platform/health/readiness-checks';
import { Broker } from '../platform/messaging/broker';
import { streamsOf } from '../platform/messaging/topology';
import { IngestUsageCommand } from '../shared/messages/ingest-usage.command';
import { IngestionProgress } from './ingestion-progress';
import { PartitionLeases } from './partition-leases';
import { PartitionReader } from './partition-reader';
import { PartitionShares } from './partition-shares';

/** Part of SHUTDOWN_GRACE that a commit under way may take; the rest is for requests and connections. */
const COMMIT_SHARE = 1 / 2;

/**
 * Takes usage events from the streams. Every replica has a reader for every partition; the rows of `ingest_cursors`
 * decide which of them reads, so replicas share the partitions and replace each other.
 */
@Injectable()
export class StreamConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly shares: PartitionShares;
  private readonly readers: readonly PartitionReader[];
  private stopped = false;

  constructor(
    broker: Broker,
    pool: IngestPool,
    commandBus: CommandBus,
    checks: ReadinessChecks,
    progress: IngestionProgress,
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
  ) {
    // By age, so that a replica that comes does not take from the older ones what is theirs to keep.
    const replica = `${new Date().toISOString()} ${hostname()} ${randomUUID().slice(0, 8)}`;
    const leases = new PartitionLeases(pool, replica, config.ingestLease);
    this.shares = new PartitionShares(config.ingestPartitions, leases, () => broker.consuming.isConnected());
    const { shares } = this;
    const ingest = (batch: IngestUsageCommand['batch']) => commandBus.execute(new IngestUsageCommand(batch));
    this.readers = streamsOf(config.ingestPartitions).map(
      (stream, partition) =>
        new PartitionReader(partition, stream, { broker, leases, shares, config, progress, ingest }),
    );
    if (this.isOn) checks.register('ingestion', () => progress.assertProgress());
  }

  onApplicationBootstrap(): void {
    if (!this.isOn) return;
    void this.schema.ready().then(() => {
      if (this.stopped) return;
      this.shares.start();
      for (const reader of this.readers) reader.start();
    });
  }

  /** Commits or drops what is open and gives the partitions up, so that the next owner need not wait. */
  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    const patience = sleep(this.config.shutdownGrace * COMMIT_SHARE, undefined, { ref: false });
    const done = Promise.all(this.readers.map((reader) => reader.stop())).then(() => this.shares.stop());
    await Promise.race([done, patience]);
  }

  private get isOn(): boolean {
    return this.config.serviceRoles.includes('ingest');
  }
}
