import { setTimeout as sleep } from 'node:timers/promises';
import { Global, Inject, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { DatabaseSchema } from './database-schema';
import { DatabaseServer } from './database-server';
import { Leases } from './lease';
import { ApiPool, IngestPool, OwnerPool, rowPoolSettings, WorkerPool } from './pools';
import { SelectedStorageEngine } from './selected-storage-engine';
import { StorageEngine } from './storage-engine';

@Module({
  providers: [
    { provide: DatabaseServer, inject: [Config], useFactory: (config: Config) => DatabaseServer.of(config) },
  ],
  exports: [DatabaseServer],
})
class DatabaseServerModule {}

const PATIENCE_MS = 5_000;
const logger = new Logger('DatabaseModule');

/**
 * Connections by purpose, the storage engine, leases, and TypeORM for rows with a lifecycle. Nothing here needs the
 * database in order to start: `DatabaseSchema` says when it can be used.
 *
 * Everything is closed in the last phase of the shutdown, the embedded server after all connections: whoever uses the
 * database has to be done before `onApplicationShutdown`.
 */
@Global()
@Module({
  imports: [
    DatabaseServerModule,
    TypeOrmModule.forRootAsync({
      imports: [DatabaseServerModule],
      inject: [DatabaseServer, Config],
      useFactory: ({ url }: DatabaseServer, { databaseStatementTimeout }: Config) => ({
        type: 'postgres',
        url,
        applicationName: 'usage-analytics rows',
        autoLoadEntities: true,
        installExtensions: false,
        manualInitialization: true,
        extra: rowPoolSettings(databaseStatementTimeout),
        poolErrorHandler: (err: unknown) => logger.warn({ err }, 'An idle database connection was lost'),
      }),
    }),
  ],
  providers: [
    {
      provide: ApiPool,
      inject: [DatabaseServer, Config],
      useFactory: ({ url }: DatabaseServer, config: Config) =>
        new ApiPool(url, config.databaseApiPoolSize, config.databaseStatementTimeout),
    },
    {
      provide: IngestPool,
      inject: [DatabaseServer],
      useFactory: ({ url }: DatabaseServer) => new IngestPool(url),
    },
    {
      provide: WorkerPool,
      inject: [DatabaseServer],
      useFactory: ({ url }: DatabaseServer) => new WorkerPool(url),
    },
    {
      provide: OwnerPool,
      inject: [DatabaseServer],
      useFactory: ({ ownerUrl }: DatabaseServer) => new OwnerPool(ownerUrl),
    },
    SelectedStorageEngine,
    { provide: StorageEngine, useExisting: SelectedStorageEngine },
    DatabaseSchema,
    Leases,
  ],
  exports: [
    ApiPool,
    IngestPool,
    WorkerPool,
    OwnerPool,
    StorageEngine,
    DatabaseSchema,
    DatabaseServerModule,
    Leases,
    TypeOrmModule,
  ],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    private readonly server: DatabaseServer,
    private readonly dataSource: DataSource,
    @Inject(ApiPool) private readonly apiPool: ApiPool,
    @Inject(IngestPool) private readonly ingestPool: IngestPool,
    @Inject(WorkerPool) private readonly workerPool: WorkerPool,
    @Inject(OwnerPool) private readonly ownerPool: OwnerPool,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
    const ended = Promise.all(
      [this.apiPool, this.ingestPool, this.workerPool, this.ownerPool].map((pool) => pool.end()),
    );
    // A statement that runs on is left to the server; it must not hold up the exit.
    await Promise.race([ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
    await this.server.stop();
  }
}
