import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { Leases } from '../platform/database/lease';
import { CanaryApi } from './canary-api';
import { CANARY_OUTCOMES, type CanaryOutcome, canaryChecks, canaryDelay, canaryLastVisible } from './canary.metrics'; // prettier-ignore

const LEASE = 'canary';
const LOOK_EVERY_MS = 200;

/**
 * Sends an event of CANARY_ORG every CANARY_INTERVAL and waits until the usage in the API has grown by it: the whole
 * way of an event as a caller goes it. In processes with the role worker, one of them at a time.
 */
@Injectable()
export class CanaryScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(CanaryScheduler.name);
  private readonly stopping = new AbortController();
  private readonly api: CanaryApi | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly leases: Leases,
  ) {
    const { canaryUrl, canaryOrg, canaryApiKey, serviceRoles } = config;
    if (canaryUrl === null || canaryOrg === null || canaryApiKey === null) return;
    if (!serviceRoles.includes('worker')) return;
    this.api = new CanaryApi(canaryUrl, canaryOrg, canaryApiKey);
  }

  onApplicationBootstrap(): void {
    if (!this.api) return;
    canaryLastVisible.set(Date.now() / 1_000);
    for (const outcome of CANARY_OUTCOMES) canaryChecks.inc({ outcome }, 0);
    this.running = this.run(this.api);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(api: CanaryApi): Promise<void> {
    const { signal } = this.stopping;
    await Promise.race([this.schema.ready(), aborted(signal)]);
    while (!signal.aborted) {
      const began = performance.now();
      await this.leases
        .run(LEASE, () => this.check(api))
        .catch((err: unknown) => this.logger.warn({ err }, 'The canary has no lease'));
      const rest = this.config.canaryInterval - (performance.now() - began);
      await sleep(Math.max(0, rest), undefined, { signal }).catch(() => undefined);
    }
  }

  private async check(api: CanaryApi): Promise<void> {
    const began = performance.now();
    let outcome: CanaryOutcome | undefined;
    try {
      outcome = await this.follow(api, began);
    } catch (err) {
      if (this.stopping.signal.aborted) return;
      outcome = 'failed';
      this.logger.warn({ err }, 'The canary got no answer');
    }
    if (outcome === undefined) return;
    canaryChecks.inc({ outcome });
    if (outcome !== 'visible') return;
    canaryDelay.observe((performance.now() - began) / 1_000);
    canaryLastVisible.set(Date.now() / 1_000);
  }

  /** `undefined` when the process stops meanwhile. */
  private async follow(api: CanaryApi, began: number): Promise<CanaryOutcome | undefined> {
    const eventId = randomUUID();
    const occurredAt = new Date();
    const before = await api.requestsAround(occurredAt);
    if (!(await api.send(eventId, occurredAt))) {
      this.logger.warn({ eventId }, 'The canary was refused');
      return 'refused';
    }
    while (!this.stopping.signal.aborted) {
      if ((await api.requestsAround(occurredAt)) > before) return 'visible';
      if (performance.now() - began > this.config.canaryInterval) {
        this.logger.warn({ eventId }, 'The canary is not visible in time');
        return 'invisible';
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
    return undefined;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
