import type { Servers } from '../servers/servers';

/** What the service reads its streams by. */
export const PROTOCOLS = ['stream', 'amqp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The service's settings for a protocol on these servers. */
export function brokerSettings(protocol: Protocol, { amqpUrl, rabbitmq }: Servers): Record<string, string> {
  return {
    AMQP_URL: amqpUrl,
    ...(protocol === 'stream' && { AMQP_STREAM_PORT: String(rabbitmq.streamPort) }),
  };
}
