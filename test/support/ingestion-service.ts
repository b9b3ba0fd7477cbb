import { Global, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { IngestionModule } from '../../src/ingestion/ingestion.module';
import { Config, loadConfig } from '../../src/platform/config/config';
import { DatabaseModule } from '../../src/platform/database/database.module';
import { ReadinessChecks } from '../../src/platform/health/readiness-checks';
import { MessagingModule } from '../../src/platform/messaging/messaging.module';
import { Clock, SystemClock } from '../../src/shared/clock';

/** What of the service takes events in, without HTTP: as a replica of the role `ingest`. */
export function startIngestion(env: NodeJS.ProcessEnv): Promise<INestApplicationContext> {
  const config = loadConfig({ NODE_ENV: 'test', SERVICE_ROLES: 'ingest', ...env });

  @Global()
  @Module({
    providers: [
      { provide: Config, useValue: config },
      { provide: Clock, useClass: SystemClock },
      ReadinessChecks,
    ],
    exports: [Config, Clock, ReadinessChecks],
  })
  class SurroundingsModule {}

  @Module({
    imports: [
      SurroundingsModule,
      CqrsModule.forRoot(),
      DatabaseModule,
      ...(config.amqpUrl === null ? [] : [MessagingModule.of(config.amqpUrl)]),
      IngestionModule.of(config),
    ],
  })
  class IngestionService {}

  return NestFactory.createApplicationContext(IngestionService, { logger: false, abortOnError: false });
}

/** What readiness says of a part of the service: its sentence, or that of its failure. */
export async function readinessOf(app: INestApplicationContext, name: string): Promise<string> {
  const [, check] =
    app
      .get(ReadinessChecks)
      .all()
      .find(([checked]) => checked === name) ?? [];
  if (!check) throw new Error(`There is no readiness check ${name}.`);
  try {
    return await check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
