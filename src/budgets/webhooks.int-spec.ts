import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HOSTILE_WEBHOOK_HOSTS } from '../../test/support/hostile-inputs';
import { loadConfig } from '../platform/config/config';
import { SystemClock } from '../shared/clock';
import { Webhooks } from './webhooks';

describe('webhooks', () => {
  /** Everything that reaches this machine on its port, by whatever name. */
  let trap: Server;
  let reached: (string | undefined)[] = [];

  beforeAll(async () => {
    trap = createServer(({ headers }, answer) => {
      reached.push(headers.host);
      answer.end();
    });
    await new Promise<void>((listening) => trap.listen(0, listening));
  });
  afterAll(() => new Promise((closed) => trap.close(closed)));
  beforeEach(() => {
    reached = [];
  });

  const webhooks = (networks?: string): Webhooks =>
    new Webhooks(
      loadConfig({
        NODE_ENV: 'test',
        BUDGET_WEBHOOK_SECRET: 's'.repeat(32),
        BUDGET_WEBHOOK_NETWORKS: networks,
        BUDGET_WEBHOOK_TIMEOUT: '2s',
      }),
      new SystemClock(),
    );
  const sendTo = (host: string, networks?: string): Promise<string | null> => {
    const { port } = trap.address() as AddressInfo;
    return webhooks(networks).send(`http://${host}:${port}/`, 'id', '{}', new AbortController().signal);
  };

  it.each(HOSTILE_WEBHOOK_HOSTS)('do not reach %s', async (host) => {
    expect(await sendTo(host)).toMatch(/which BUDGET_WEBHOOK_NETWORKS does not allow\.$/);
    expect(reached).toEqual([]);
  });

  it('reach what is allowed, by whatever name, and tell nothing of a URL that fails', async () => {
    for (const host of ['127.0.0.1', '2130706433', 'localhost', '[::ffff:7f00:1]'])
      expect([host, await sendTo(host, '127.0.0.0/8')]).toEqual([host, null]);
    expect(reached).toHaveLength(4);
    const failed = await webhooks().send('http://secret.invalid/secret', 'id', '{}', new AbortController().signal); // prettier-ignore
    expect(failed).toMatch(/^The receiver could not be reached \([A-Z_]+\)\.$/);
  });
});
