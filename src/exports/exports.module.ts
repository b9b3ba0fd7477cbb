import { join } from 'node:path';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Config } from '../platform/config/config';
import { Clock } from '../shared/clock';
import { ArtifactStore } from './artifacts/artifact-store';
import { ARTIFACTS_ROUTE, ArtifactsController } from './artifacts/artifacts.controller';
import { LocalArtifactStore } from './artifacts/local.artifact-store';
import { S3ArtifactStore } from './artifacts/s3.artifact-store';
import { CancelExportHandler } from './commands/cancel-export.command';
import { DeleteArtifactsHandler } from './commands/delete-artifacts.command';
import { RequestExportHandler } from './commands/request-export.command';
import { ScheduleExportsHandler } from './commands/schedule-exports.command';
import { WriteExportHandler } from './commands/write-export.command';
import { ExportJob } from './export-job.entity';
import { ExportJobs } from './export-jobs.repository';
import { ExportRequestedHandler } from './export-requested.handler';
import { ExportRequestedPublisher } from './export-requested.publisher';
import { ExportWorker } from './export-worker';
import { ExportsConsumer } from './exports.consumer';
import { ExportsController } from './exports.controller';
import { ExportsScheduler } from './exports.scheduler';
import { GetExportDownloadHandler } from './queries/get-export-download.query';
import { GetExportManifestHandler } from './queries/get-export-manifest.query';
import { GetExportHandler } from './queries/get-export.query';
import { ListExportsHandler } from './queries/list-exports.query';
import { ExportWriter } from './writing/export-writer';

/** Files for finance and for incidents: asked for over HTTP, written by workers, kept by an artifact store. */
@Module({})
export class ExportsModule {
  static of(config: Config): DynamicModule {
    const local = config.s3Bucket === null;
    return {
      module: ExportsModule,
      imports: [TypeOrmModule.forFeature([ExportJob])],
      controllers: [ExportsController, ...(local ? [ArtifactsController] : [])],
      providers: [
        ExportJobs,
        ExportWriter,
        ExportWorker,
        ExportsScheduler,
        RequestExportHandler,
        CancelExportHandler,
        WriteExportHandler,
        ScheduleExportsHandler,
        DeleteArtifactsHandler,
        GetExportHandler,
        ListExportsHandler,
        GetExportDownloadHandler,
        GetExportManifestHandler,
        ...(config.s3Bucket === null ? localStore(config) : s3Store(config, config.s3Bucket)),
        ...messaging(config),
      ],
    };
  }
}

/** With a broker requests go through its queue; without one, to this process itself. */
function messaging({ amqpUrl, serviceRoles }: Config): Provider[] {
  const works = serviceRoles.includes('worker');
  if (amqpUrl === null) return works ? [ExportRequestedHandler] : [];
  return works ? [ExportRequestedPublisher, ExportsConsumer] : [ExportRequestedPublisher];
}

function localStore({ dataDir, exportSigningKey }: Config): Provider[] {
  return [
    {
      provide: LocalArtifactStore,
      inject: [Clock],
      useFactory: (clock: Clock) =>
        new LocalArtifactStore(
          { directory: join(dataDir, 'artifacts'), secret: exportSigningKey, route: `/${ARTIFACTS_ROUTE}` },
          clock,
        ),
    },
    { provide: ArtifactStore, useExisting: LocalArtifactStore },
  ];
}

function s3Store(config: Config, bucket: string): Provider[] {
  const store = new S3ArtifactStore({
    bucket,
    region: config.s3Region,
    endpoint: config.s3Endpoint,
    forcePathStyle: config.s3ForcePathStyle,
    encryption: config.s3Sse,
    kmsKeyId: config.s3KmsKeyId,
    checksum: config.s3Checksum,
    timeout: config.s3Timeout,
  });
  return [{ provide: ArtifactStore, useValue: store }];
}
