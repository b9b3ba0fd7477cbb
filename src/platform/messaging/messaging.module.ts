import { RabbitMQModule } from '@golevelup/nestjs-rabbitmq';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AmqpUsageEventPublisher } from './amqp-usage-event-publisher';
import { Broker, connectionOptions } from './broker';
import { UsageEventPublisher } from './usage-event-publisher';

/** RabbitMQ, where AMQP_URL is set. */
@Global()
@Module({})
export class MessagingModule {
  static of(amqpUrl: string): DynamicModule {
    return {
      module: MessagingModule,
      imports: [
        RabbitMQModule.forRoot({
          uri: amqpUrl,
          // The service starts without the broker and goes on when it comes.
          connectionInitOptions: {
            wait: false,
            reject: false,
            // The broker tells its outages itself, once each.
            skipConnectionFailedLogging: true,
            skipDisconnectFailedLogging: true,
          },
          connectionManagerOptions: connectionOptions('consume'),
          enableDirectReplyTo: false,
          prefetchCount: 1,
          defaultSubscribeErrorBehavior: undefined,
        }),
      ],
      providers: [Broker, { provide: UsageEventPublisher, useClass: AmqpUsageEventPublisher }],
      exports: [RabbitMQModule, Broker, UsageEventPublisher],
    };
  }
}
