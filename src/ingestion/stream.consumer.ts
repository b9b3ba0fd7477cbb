import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { IngestPool } from '../platform/database/pools';
import { ReadinessChecks } from '../platform/health/readiness-checks';
import { Broker } from '../platform/messaging/broker';
import { streamsOf } from '../platform/messaging/topology';
import { IngestUsageCommand } from '../shared/messages/ingest-usage.command';
import { decodeRulesOf } from './decode-rules';
import { IngestionProgress } from './ingestion-progress';
import { PartitionLeases } from './partition-lease';
import { PartitionReader } from './partition-reader';

/**
 * Takes usage events from the streams. Every replica has a reader for every partition; the rows of `ingest_cursors`
 * decide which of them reads, so replicas share the partitions and replace each other.
 */
@Injectable()
export class StreamConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly readers: readonly PartitionReader[];

  constructor(
    broker: Broker,
    pool: IngestPool,
    commandBus: CommandBus,
    checks: ReadinessChecks,
    progress: IngestionProgress,
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
  ) {
    const leases = new PartitionLeases(pool, randomUUID(), config.ingestLease);
    this.readers = streamsOf(config.ingestPartitions).map(
      (stream, partition) =>
        new PartitionReader(
          partition,
          stream,
          broker,
          leases,
          config,
          decodeRulesOf(config),
          progress,
          (batch) => commandBus.execute(new IngestUsageCommand(batch)),
        ),
    );
    if (this.isOn) checks.register('ingestion', () => progress.assertProgress());
  }

  onApplicationBootstrap(): void {
    if (!this.isOn) return;
    void this.schema.ready().then(() => this.readers.forEach((reader) => reader.start()));
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.stop()));
  }

  private get isOn(): boolean {
    return this.config.serviceRoles.includes('ingest');
  }
}
