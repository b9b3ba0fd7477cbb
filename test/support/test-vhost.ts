import { randomBytes } from 'node:crypto';
import { testServers } from './test-servers';

export interface TestVhost {
  readonly name: string;
  /** What AMQP_URL should be. */
  readonly url: string;
  /** What AMQP_STREAM_PORT should be for a service that reads by the stream protocol. */
  readonly streamPort: number;
  /** Sets a policy on one queue, as an operator would. */
  policy(name: string, queue: string, definition: object): Promise<void>;
  /** Closes the connections that are still open and removes everything that was declared. */
  drop(): Promise<void>;
}

/** A virtual host of its own on the run's broker, so that the topology's fixed names do not meet. Drop it in `afterAll`. */
export async function createTestVhost(): Promise<TestVhost> {
  const { amqpUrl, managementUrl, streamPort } = testServers();
  const name = `test-${randomBytes(6).toString('hex')}`;
  const { username } = new URL(managementUrl);
  await manage('PUT', `vhosts/${name}`);
  await manage('PUT', `permissions/${name}/${username}`, { configure: '.*', write: '.*', read: '.*' });
  const url = new URL(amqpUrl);
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    streamPort,
    policy: (policy, queue, definition) =>
      manage('PUT', `policies/${name}/${policy}`, {
        pattern: `^${queue.replaceAll('.', '\\.')}$`,
        'apply-to': 'queues',
        definition,
      }),
    drop: () => manage('DELETE', `vhosts/${name}`),
  };
}

async function manage(method: 'PUT' | 'DELETE', path: string, body?: object): Promise<void> {
  const { origin, username, password } = new URL(testServers().managementUrl);
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const answer = await fetch(`${origin}/api/${path}`, {
    method,
    headers: {
      authorization: `Basic ${credentials.toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok)
    throw new Error(`RabbitMQ answers ${answer.status} to ${method} ${path}: ${await answer.text()}`);
}
