import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Clock, SystemClock } from '../shared/clock';
import { CacheModule } from './cache/cache.module';
import { Config } from './config/config';
import { DatabaseModule } from './database/database.module';
import { HealthModule } from './health/health.module';
import { MessagingModule } from './messaging/messaging.module';
import { TracingModule } from './telemetry/tracing.module';
import { LoggingModule } from './logging/logging.module';

/** Configuration and time, for everyone. */
@Global()
@Module({})
class FoundationModule {
  static of(config: Config): DynamicModule {
    const providers = [
      { provide: Config, useValue: config },
      { provide: Clock, useClass: SystemClock },
    ];
    return { module: FoundationModule, providers, exports: [Config, Clock] };
  }
}

/** All plumbing without business words. */
@Module({})
export class PlatformModule {
  static of(config: Config): DynamicModule {
    return {
      module: PlatformModule,
      imports: [
        FoundationModule.of(config),
        LoggingModule,
        ScheduleModule.forRoot(),
        DatabaseModule,
        CacheModule,
        HealthModule,
        TracingModule,
        ...(config.amqpUrl === null ? [] : [MessagingModule.of(config.amqpUrl)]),
      ],
    };
  }
}
