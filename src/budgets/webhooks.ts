import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config/config';
import { Clock } from '../shared/clock';
import { ReachableAddresses } from './reachable-addresses';

/** Refused before anything was sent: the address is none that a webhook may reach. */
class AddressRefusedError extends Error {}

/**
 * Sends signed messages to URLs that operators name. The address is looked up, checked and used in one step, so that a
 * name cannot mean another host when it is connected to; redirects are not followed.
 *
 * `Usage-Signature: t=SECONDS,v1=HEX` is the HMAC-SHA-256 of `SECONDS.BODY` under BUDGET_WEBHOOK_SECRET; a receiver
 * compares it and refuses old times. `Usage-Webhook-Id` stays the same over all attempts.
 */
@Injectable()
export class Webhooks {
  private readonly reachable: ReachableAddresses;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.reachable = new ReachableAddresses(config.budgetWebhookNetworks ?? []);
  }

  /** `null` when the receiver answered 2xx, else a sentence that says why not. Never throws. */
  async send(url: string, id: string, body: string, signal: AbortSignal): Promise<string | null> {
    const seconds = Math.floor(this.clock.now().getTime() / 1_000);
    const signature = createHmac('sha256', this.config.budgetWebhookSecret ?? '')
      .update(`${seconds}.${body}`)
      .digest('hex');
    try {
      const status = await this.post(new URL(url), body, signal, {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': 'usage-analytics',
        'usage-webhook-id': id,
        'usage-signature': `t=${seconds},v1=${signature}`,
      });
      if (status >= 200 && status < 300) return null;
      if (status >= 300 && status < 400)
        return `The receiver answered ${status}; redirects are not followed.`;
      return `The receiver answered ${status}.`;
    } catch (error) {
      if (error instanceof AddressRefusedError) return error.message;
      // The URL may hold a secret, and so may what a client says of it.
      const { code, name } = error as NodeJS.ErrnoException;
      return `The receiver could not be reached (${code ?? name}).`;
    }
  }

  private post(
    url: URL,
    body: string,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<number> {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // A literal address is connected to without a lookup.
    if (isIP(host) !== 0 && !this.reachable.includes(host)) return Promise.reject(refused(host));
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.config.budgetWebhookTimeout)]);
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        { method: 'POST', headers, lookup: this.lookup, signal: limit, agent: false },
        (answer) => {
          // What it says is of no interest, and may be endless.
          answer.destroy();
          resolve(answer.statusCode ?? 0);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** Answers only addresses that may be reached: what it answers is what is connected to. */
  private readonly lookup: LookupFunction = (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '', 0);
      const allowed = addresses.filter(({ address }) => this.reachable.includes(address));
      const [first] = allowed;
      if (!first) return done(refused(hostname), '', 0);
      if (options.all) return done(null, allowed);
      return done(null, first.address, first.family);
    });
  };
}

function refused(host: string): AddressRefusedError {
  const kind = isIP(host) === 0 ? 'has only addresses' : 'is an address';
  return new AddressRefusedError(
    `The host of the webhook ${kind} of private or special networks, which BUDGET_WEBHOOK_NETWORKS does not allow.`,
  );
}
