import { AmqpConnection } from '@golevelup/nestjs-rabbitmq';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type AmqpConnectionManager, connect } from 'amqp-connection-manager';
import type { Channel, ChannelModel } from 'amqplib';
import { Config } from '../config/config';
import { ReadinessChecks } from '../health/readiness-checks';

const PRECONDITION_FAILED = 406;

/**
 * The two connections to RabbitMQ. They are apart because a broker that is short of memory or disk stops reading from
 * connections that publish, and acknowledgements would wait behind (RabbitMQ, "Alarms"). Both come back by themselves.
 */
@Injectable()
export class Broker implements OnApplicationShutdown {
  readonly consuming: AmqpConnectionManager;
  readonly publishing: AmqpConnectionManager;
  private readonly logger = new Logger(Broker.name);
  private mismatch: string | undefined;

  constructor({ managedConnection }: AmqpConnection, { amqpUrl }: Config, checks: ReadinessChecks) {
    this.consuming = managedConnection;
    this.publishing = connect([amqpUrl ?? ''], {
      connectionOptions: { clientProperties: { connection_name: 'usage-analytics publish' } },
    });
    for (const connection of [this.consuming, this.publishing]) {
      connection.on('disconnect', ({ err }: { err: unknown }) =>
        this.logger.warn({ err }, 'RabbitMQ is away, trying again'),
      );
    }
    checks.register('broker', () => {
      if (this.mismatch) throw new Error(this.mismatch);
      if (!this.consuming.isConnected() || !this.publishing.isConnected())
        throw new Error('RabbitMQ is away.');
      return 'connected';
    });
  }

  /** A channel of the consuming connection, or `undefined` while that is away. */
  async openConsumingChannel(): Promise<Channel | undefined> {
    const connection = this.consuming.connection as ChannelModel | undefined;
    return this.consuming.isConnected() ? connection?.createChannel() : undefined;
  }

  /** Whether what the broker has was declared otherwise; only an operator can mend that, so it is said clearly. */
  noteDeclarationFailure(error: unknown): void {
    if (!(error instanceof Error) || Reflect.get(error, 'code') !== PRECONDITION_FAILED) return;
    this.mismatch =
      'RabbitMQ has an exchange or queue of this service with other properties. Set AMQP_STREAM_* and INGEST_PARTITIONS ' +
      `as they were, or delete it when it is drained. RabbitMQ says: ${error.message}`;
    this.logger.error({ err: error }, 'The topology of RabbitMQ does not match the configuration');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publishing.close().catch(() => undefined);
  }
}
