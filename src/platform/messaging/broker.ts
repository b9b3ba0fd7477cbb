import { AmqpConnection } from '@golevelup/nestjs-rabbitmq';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type AmqpConnectionManager, connect } from 'amqp-connection-manager';
import type { Channel, ConfirmChannel } from 'amqplib';
import { Config } from '../config/config';
import { ReadinessChecks } from '../health/readiness-checks';
import { declareStream } from './declare-stream';
import type { StreamChannel } from './stream-channel';
import { StreamProtocolChannel } from './stream-protocol/stream-protocol-channel';
import { declareTopology, isStream, type Queue, topologyOf } from './topology';
import { doubtOfConfirms } from './untrue-confirms';

const PRECONDITION_FAILED = 406;
/** Headers of a message that somebody reads. */
const READ_HEADERS = ['traceparent'];

/** How both connections keep themselves up; the heartbeat finds a silent broker within two of its intervals. */
export function connectionOptions(purpose: 'consume' | 'publish') {
  return {
    heartbeatIntervalInSeconds: 5,
    reconnectTimeInSeconds: 1,
    connectionOptions: { clientProperties: { connection_name: `usage-analytics ${purpose}` } },
  };
}

/**
 * The two connections to RabbitMQ. They are apart because a broker that is short of memory or disk stops reading from
 * connections that publish, and acknowledgements would wait behind (RabbitMQ, "Alarms"). Both come back by themselves;
 * channels do not, whoever opens one opens it again.
 */
@Injectable()
export class Broker implements OnApplicationShutdown {
  readonly consuming: AmqpConnectionManager;
  readonly publishing: AmqpConnectionManager;
  /** Whether confirms can be believed only of a channel that publishes to one stream and no other. */
  confirmsOneStream = false;
  private readonly logger = new Logger(Broker.name);
  private mismatch: string | undefined;
  /** By stream, what was logged of its limits last. */
  private readonly toldLimits = new Map<string, string>();
  /** Why the stream cannot be read by its own protocol. */
  private refusal: string | undefined;

  constructor(
    amqp: AmqpConnection,
    private readonly config: Config,
    checks: ReadinessChecks,
  ) {
    subscribeInBackground(amqp);
    this.consuming = amqp.managedConnection;
    this.publishing = connect([config.amqpUrl ?? ''], connectionOptions('publish'));
    this.tellOutages('consume', this.consuming);
    this.tellOutages('publish', this.publishing);
    this.publishing.on('connect', () => {
      const { version } = this.publishing.connection?.connection.serverProperties ?? {};
      const doubt = version && doubtOfConfirms(version, config.ingestPartitions);
      this.confirmsOneStream = Boolean(doubt);
      if (doubt) this.logger.warn(doubt);
    });
    checks.register('broker', () => {
      if (this.mismatch) throw new Error(this.mismatch);
      if (!this.consuming.isConnected() || !this.publishing.isConnected())
        throw new Error('RabbitMQ is away.');
      if (this.refusal) throw new Error(this.refusal);
      return 'connected';
    });
  }

  /** A channel of the consuming connection, or `undefined` while that is away. */
  async openConsumingChannel(): Promise<Channel | undefined> {
    const connection = this.consuming.connection;
    return this.consuming.isConnected() ? heard(await connection?.createChannel()) : undefined;
  }

  /**
   * A channel to read a stream with: of the stream protocol where `AMQP_STREAM_PORT` is set. `undefined` while the
   * broker is away; throws when it is there and refuses that protocol.
   */
  async openReadingChannel(): Promise<StreamChannel | undefined> {
    const { amqpUrl, amqpStreamPort } = this.config;
    if (amqpUrl === null || amqpStreamPort === null) return this.openConsumingChannel();
    try {
      const options = {
        amqpUrl,
        port: amqpStreamPort,
        connectionName: 'usage-analytics read',
        headers: READ_HEADERS,
      };
      const channel = await StreamProtocolChannel.open(options);
      this.refusal = undefined;
      return channel;
    } catch (error) {
      this.refusal = `${(error as Error).message} AMQP_STREAM_PORT is to be that of the plugin rabbitmq_stream.`;
      throw error;
    }
  }

  /** A channel with confirms of the publishing connection, or `undefined` while that is away. */
  async openPublishingChannel(): Promise<ConfirmChannel | undefined> {
    const connection = this.publishing.connection;
    return this.publishing.isConnected() ? heard(await connection?.createConfirmChannel()) : undefined;
  }

  /**
   * Declares what the service needs; a stream that exists keeps its limits. Fails when the broker has anything else
   * with other properties: only an operator can mend that, so readiness says it from then on, until a declaration
   * succeeds.
   */
  async declareTopology(channel: Channel): Promise<void> {
    try {
      // On channels of their own: a refusal closes the one it is told on.
      for (const stream of topologyOf(this.config).queues.filter(isStream))
        this.compareLimits(stream, await declareStream(() => this.openAnother(channel), stream));
      await declareTopology(channel, this.config);
      this.mismatch = undefined;
    } catch (error) {
      if (error instanceof Error && Reflect.get(error, 'code') === PRECONDITION_FAILED) {
        this.noteMismatch(error);
      }
      throw error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publishing.close().catch(() => undefined);
  }

  /** One more of the same connection: the other one may be away. */
  private async openAnother(like: Channel): Promise<Channel> {
    const publishes = 'waitForConfirms' in like;
    const channel = await (publishes ? this.openPublishingChannel() : this.openConsumingChannel());
    if (!channel) throw new Error('RabbitMQ is away.');
    return channel;
  }

  /** Logs, once as long as it stays so, what a stream was declared with instead of what the settings say. */
  private compareLimits({ name: stream, arguments: settings }: Queue, declared: Queue['arguments']): void {
    const differing = Object.keys(settings).filter((limit) => declared[limit] !== settings[limit]);
    const limits = Object.fromEntries(
      differing.map((limit) => [limit, { declared: declared[limit] ?? null, setting: settings[limit] }]),
    );
    const told = JSON.stringify(limits);
    if (differing.length > 0 && this.toldLimits.get(stream) !== told)
      this.logger.warn(
        { stream, limits },
        'A stream was declared with other limits than AMQP_STREAM_* say and keeps them, unless a policy of the broker sets others',
      );
    this.toldLimits.set(stream, told);
  }

  private noteMismatch(error: Error): void {
    const known = this.mismatch !== undefined;
    this.mismatch =
      'RabbitMQ has an exchange or queue of this service with other properties. Delete it once it is drained: the ' +
      `service declares it again. RabbitMQ says: ${error.message}`;
    if (!known) this.logger.fatal(this.mismatch);
  }

  /** One line for an outage and one for its end, however often connecting fails in between. */
  private tellOutages(purpose: string, connection: AmqpConnectionManager): void {
    let away = false;
    const told = ({ err }: { err: unknown }): void => {
      if (!away) this.logger.warn({ err, purpose }, 'RabbitMQ is away, trying again');
      away = true;
    };
    connection.on('connectFailed', told);
    connection.on('disconnect', told);
    connection.on('connect', () => {
      away = false;
      this.logger.log({ purpose }, 'RabbitMQ is connected');
    });
  }
}

/**
 * golevelup waits with the start of the application until each handler of a work queue is subscribed, that is until the
 * broker is there. Here it subscribes whenever that is.
 */
function subscribeInBackground(amqp: AmqpConnection): void {
  const subscribe: AmqpConnection['createSubscriber'] = amqp.createSubscriber.bind(amqp);
  amqp.createSubscriber = (...handler) => {
    void subscribe(...handler);
    return Promise.resolve({ consumerTag: '' });
  };
}

/** An error that nobody listens to would end the process; 'close' follows each of them. */
function heard<Kind extends Channel>(channel: Kind | undefined): Kind | undefined {
  channel?.on('error', () => undefined);
  return channel;
}
