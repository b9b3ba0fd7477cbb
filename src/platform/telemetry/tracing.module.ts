import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiPool, IngestPool, OwnerPool, WorkerPool } from '../database/pools';
import { traceBus } from './traced-buses';
import { tracePool } from './traced-pool';
import { isTracing, stopTracing } from './tracing';

/** Puts spans around commands, queries and statements; where traces are off, touches nothing. */
@Module({})
export class TracingModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    @Inject(ApiPool) private readonly apiPool: ApiPool,
    @Inject(IngestPool) private readonly ingestPool: IngestPool,
    @Inject(WorkerPool) private readonly workerPool: WorkerPool,
    @Inject(OwnerPool) private readonly ownerPool: OwnerPool,
  ) {}

  onModuleInit(): void {
    if (!isTracing()) return;
    for (const bus of [this.commands, this.queries]) traceBus(bus);
    for (const pool of [this.apiPool, this.ingestPool, this.workerPool, this.ownerPool]) tracePool(pool);
  }

  onApplicationShutdown(): Promise<void> {
    return stopTracing();
  }
}
