import { type DynamicModule, Module } from '@nestjs/common';
import type { Config } from '../platform/config/config';
import { UsageEventPublisher } from '../platform/messaging/usage-event-publisher';
import { AcceptUsageEventsHandler } from './commands/accept-usage-events.command';
import { IngestUsageHandler } from './commands/ingest-usage.handler';
import { DirectUsageEventPublisher } from './direct-usage-event-publisher';
import { IngestionMetrics } from './ingestion.metrics';
import { IngestionProgress } from './ingestion-progress';
import { StreamConsumer } from './stream.consumer';
import { UsageBatchStore } from './usage-batch.store';
import { UsageEventsController } from './usage-events.controller';

/** Events from the stream, or over HTTP, into the database. */
@Module({})
export class IngestionModule {
  static of({ amqpUrl }: Config): DynamicModule {
    return {
      module: IngestionModule,
      controllers: [UsageEventsController],
      providers: [
        AcceptUsageEventsHandler,
        IngestUsageHandler,
        UsageBatchStore,
        IngestionProgress,
        IngestionMetrics,
        ...(amqpUrl === null
          ? [{ provide: UsageEventPublisher, useClass: DirectUsageEventPublisher }]
          : [StreamConsumer]),
      ],
    };
  }
}
