import type { Channel, Options } from 'amqplib';
import type { Config } from '../config/config';

export const USAGE_EXCHANGE = 'analytics.usage';
export const USAGE_STREAM = 'analytics.usage.v1';
export const PARTITION_EXCHANGE = 'analytics.usage.partitions';
export const CONTROL_EXCHANGE = 'analytics.control';
export const DEAD_LETTERS = 'analytics.control.dead';
/** Work requests; each name is the routing key and the queue. */
export const EXPORTS_REQUESTED = 'exports.requested';
export const REAGGREGATIONS_REQUESTED = 'reaggregations.requested';
export const WORK_QUEUES = [EXPORTS_REQUESTED, REAGGREGATIONS_REQUESTED] as const;

/** A work request that fails this often is a dead letter. */
const DELIVERY_LIMIT = 5;

type Settings = Pick<
  Config,
  'ingestPartitions' | 'amqpStreamMaxAge' | 'amqpStreamMaxBytes' | 'amqpStreamSegmentBytes'
>;

export interface Queue {
  readonly name: string;
  readonly arguments: Record<string, string | number>;
}

interface Exchange {
  readonly name: string;
  readonly type: 'topic' | 'direct' | 'x-consistent-hash';
}

interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly kind: 'queue' | 'exchange';
  readonly routingKey: string;
}

/** Everything that the service needs of the broker: all durable. */
export interface Topology {
  readonly exchanges: readonly Exchange[];
  readonly queues: readonly Queue[];
  readonly bindings: readonly Binding[];
}

/** The streams of usage events, by partition. */
export function streamsOf(partitions: number): readonly string[] {
  if (partitions === 1) return [USAGE_STREAM];
  return Array.from({ length: partitions }, (_, partition) => `${USAGE_STREAM}.${partition}`);
}

/**
 * The topology for these settings. With more than one partition the streams stand behind an exchange that hashes the
 * routing key: what is published there by organisation stays on one of them.
 */
export function topologyOf(settings: Settings): Topology {
  const streams = streamsOf(settings.ingestPartitions);
  const partitioned = streams.length > 1;
  return {
    exchanges: [
      { name: USAGE_EXCHANGE, type: 'topic' },
      ...(partitioned ? [{ name: PARTITION_EXCHANGE, type: 'x-consistent-hash' as const }] : []),
      { name: CONTROL_EXCHANGE, type: 'direct' },
    ],
    queues: [
      ...streams.map((name) => ({ name, arguments: streamArguments(settings) })),
      ...WORK_QUEUES.map((name) => ({ name, arguments: WORK_QUEUE_ARGUMENTS })),
      { name: DEAD_LETTERS, arguments: { 'x-queue-type': 'quorum' } },
    ],
    bindings: [
      ...(partitioned
        ? [
            {
              source: USAGE_EXCHANGE,
              destination: PARTITION_EXCHANGE,
              kind: 'exchange' as const,
              routingKey: 'usage.#',
            },
            // The key of such a binding is the weight of its queue.
            ...streams.map((name) => ({
              source: PARTITION_EXCHANGE,
              destination: name,
              kind: 'queue' as const,
              routingKey: '1',
            })),
          ]
        : streams.map((name) => ({
            source: USAGE_EXCHANGE,
            destination: name,
            kind: 'queue' as const,
            routingKey: 'usage.#',
          }))),
      ...[...WORK_QUEUES, DEAD_LETTERS].map((name) => ({
        source: CONTROL_EXCHANGE,
        destination: name,
        kind: 'queue' as const,
        routingKey: name,
      })),
    ],
  };
}

export function isStream(queue: Queue): boolean {
  return queue.arguments['x-queue-type'] === 'stream';
}

/**
 * Declares the topology but for its streams, which must be there; what is there already stays as it is. Fails with 406
 * when it was declared otherwise.
 */
export async function declareTopology(channel: Channel, settings: Settings): Promise<void> {
  const { exchanges, queues, bindings } = topologyOf(settings);
  for (const { name, type } of exchanges) await channel.assertExchange(name, type, { durable: true });
  for (const queue of queues) {
    if (isStream(queue)) continue;
    const options: Options.AssertQueue = { durable: true, arguments: queue.arguments };
    await channel.assertQueue(queue.name, options);
  }
  for (const { source, destination, kind, routingKey } of bindings) {
    if (kind === 'queue') await channel.bindQueue(destination, source, routingKey);
    else await channel.bindExchange(destination, source, routingKey);
  }
}

function streamArguments(settings: Settings): Queue['arguments'] {
  return {
    'x-queue-type': 'stream',
    'x-max-age': `${Math.ceil(settings.amqpStreamMaxAge / 1_000)}s`,
    'x-max-length-bytes': settings.amqpStreamMaxBytes,
    'x-stream-max-segment-size-bytes': settings.amqpStreamSegmentBytes,
  };
}

/** Dead-lettering is at most once unless it is said like this (RabbitMQ, "Quorum Queues", dead lettering). */
export const WORK_QUEUE_ARGUMENTS: Queue['arguments'] = {
  'x-queue-type': 'quorum',
  'x-delivery-limit': DELIVERY_LIMIT,
  'x-dead-letter-exchange': CONTROL_EXCHANGE,
  'x-dead-letter-routing-key': DEAD_LETTERS,
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
};
