import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Config } from '../platform/config/config';
import { CancelReaggregationHandler } from './commands/cancel-reaggregation.command';
import { ReaggregateUsageHandler } from './commands/reaggregate-usage.command';
import { RequestReaggregationHandler } from './commands/request-reaggregation.command';
import { GetReaggregationHandler } from './queries/get-reaggregation.query';
import { ListReaggregationsHandler } from './queries/list-reaggregations.query';
import { Reaggregation } from './reaggregation.entity';
import { ReaggregationRequestedHandler } from './reaggregation-requested.handler';
import { ReaggregationRequestedPublisher } from './reaggregation-requested.publisher';
import { ReaggregationWorker } from './reaggregation-worker';
import { ReaggregationsConsumer } from './reaggregations.consumer';
import { ReaggregationsController } from './reaggregations.controller';
import { Reaggregations } from './reaggregations.repository';
import { ReaggregationsScheduler } from './reaggregations.scheduler';

/** Rollups computed again from events, on request. */
@Module({})
export class ReaggregationModule {
  static of(config: Config): DynamicModule {
    return {
      module: ReaggregationModule,
      imports: [TypeOrmModule.forFeature([Reaggregation])],
      controllers: [ReaggregationsController],
      providers: [
        Reaggregations,
        ReaggregationWorker,
        ReaggregationsScheduler,
        RequestReaggregationHandler,
        ReaggregateUsageHandler,
        CancelReaggregationHandler,
        GetReaggregationHandler,
        ListReaggregationsHandler,
        ...messaging(config),
      ],
    };
  }
}

/** With a broker requests go through its queue; without one, to this process itself. */
function messaging({ amqpUrl, serviceRoles }: Config): Provider[] {
  const works = serviceRoles.includes('worker');
  if (amqpUrl === null) return works ? [ReaggregationRequestedHandler] : [];
  return works
    ? [ReaggregationRequestedPublisher, ReaggregationsConsumer]
    : [ReaggregationRequestedPublisher];
}
